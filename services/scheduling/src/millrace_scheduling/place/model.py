"""A place: one provider at one location, as far as scheduling must know it."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Place:
    """`id` is the provider-location's; `version` the directory's. A deleted one is kept for its version."""

    id: UUID
    npi: str
    practice_id: UUID | None
    time_zone: str
    version: int
    deleted: bool = False
