"""A provider-location and its rules."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from millrace_directory.model import State
from millrace_directory.rules import Violation, check_phone, check_taxonomy


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderLocation(State):
    """One provider at one location, the unit of search and booking. `accepted_plans` are plan ids, sorted."""

    identity: ClassVar[tuple[str, ...]] = ("id", "npi", "location_id")

    id: UUID
    npi: str
    location_id: UUID
    taxonomy: str
    phone: str | None = None
    new_patients: bool | None = None
    accepted_plans: tuple[str, ...] = ()

    def violations(self) -> Iterator[Violation]:
        yield from check_taxonomy("taxonomy", self.taxonomy)
        yield from check_phone("phone", self.phone)
