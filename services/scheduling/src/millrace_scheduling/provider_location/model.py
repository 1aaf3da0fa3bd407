"""The fields of provider-locations that scheduling needs. Pure."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ProviderLocation:
    """A provider at one location. `version` is that of the consumed entity; rows stay after a deletion to retain it."""

    id: UUID
    npi: str
    practice_id: UUID | None
    time_zone: str
    version: int
    deleted: bool = False
