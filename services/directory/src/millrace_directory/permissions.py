"""The caller's permissions to manage practices and their locations, providers and provider-locations."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Permissions:
    """The practices whose data the caller can manage. None means all of them: the caller is an administrator."""

    practices: frozenset[UUID] | None

    @property
    def is_admin(self) -> bool:
        return self.practices is None

    def can_manage(self, practice: UUID | None) -> bool:
        """Return whether the caller can manage a practice's data; without practice (None) only administrators can."""
        return self.practices is None or practice in self.practices


ADMIN = Permissions(None)
