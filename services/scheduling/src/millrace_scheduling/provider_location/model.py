"""Provider-locations, as far as scheduling needs them. Pure."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ProviderLocation:
    """A provider at one location. `version` is that of the consumed entity; deleted ones remain for their version."""

    id: UUID
    npi: str
    practice_id: UUID | None
    time_zone: str
    version: int
    deleted: bool = False
