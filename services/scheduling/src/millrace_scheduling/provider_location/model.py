"""The fields of provider-locations that scheduling needs. Pure."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ProviderLocation:
    """A provider at one location. `version` is that of the consumed entity; deleted ones keep their row for it.

    One that is pending counts as deleted until it is confirmed: it has no calendar, and reserves no time.

    `address` is the practice's name and the postal address in one line, None if it isn't known.
    """

    id: UUID
    npi: str
    practice_id: UUID | None
    time_zone: str
    version: int
    is_deleted: bool = False
    address: str | None = None
