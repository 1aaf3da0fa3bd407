"""The resources of the directory that shares and insurance cards name. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class EntryKind(StrEnum):
    """Kind of a resource, spelled as in its event."""

    PRACTICE = "practice"
    INSURANCE_PLAN = "insurance-plan"


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """One version of a resource, as consumed; deleted ones keep their row for the version."""

    kind: EntryKind
    id: str
    version: int
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A resource that a request names in `field`; `remedy` says where to find existing ones."""

    kind: EntryKind
    id: str
    field: str
    remedy: str


def practice_reference(practice_id: UUID, *, field: str) -> Reference:
    """Return the reference to a practice that the request names in `field`."""
    return Reference(EntryKind.PRACTICE, str(practice_id), field, "Use the id of a practice, as in search results.")
