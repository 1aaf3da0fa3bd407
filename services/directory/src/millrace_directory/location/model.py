"""A location and its rules."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from millrace_directory.model import DomainEvent, State
from millrace_directory.rules import Violation, check_phone, check_state, check_zip
from millrace_reference.addresses import location_id


@dataclass(frozen=True, slots=True)
class LocationChanged(DomainEvent):
    """Domain event: the spelling of the address or the practice changed; the provider-locations contain both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location(State):
    """An address in the United States or a territory where patients are seen."""

    id: UUID
    line1: str
    city: str
    state: str
    zip: str
    line2: str | None = None
    practice_id: UUID | None = None
    phone: str | None = None

    def violations(self) -> Iterator[Violation]:
        of_address = [*check_state("address.state", self.state), *check_zip("address.zip", self.zip)]
        yield from of_address or self._id_violations()
        yield from check_phone("phone", self.phone)

    def _id_violations(self) -> Iterator[Violation]:
        # Imports find a location by the id of its address: under another id it would get the providers of that address.
        own = id_of_address(line1=self.line1, line2=self.line2, city=self.city, state=self.state, zip=self.zip)
        if self.id != own:
            yield Violation(
                "id",
                f"The id of a location is that of its address, here {own}.",
                "POST without an id. For a location that moved, POST one at the new address, and delete this one.",
            )

    def domain_events(self, after: Self | None) -> Iterator[DomainEvent]:
        if after is not None and after.shown_by_provider_locations != self.shown_by_provider_locations:
            yield LocationChanged(self.id)

    @property
    def shown_by_provider_locations(self) -> tuple[object, ...]:
        """The values of this location that its provider-locations contain too."""
        return (self.line1, self.line2, self.city, self.state, self.zip, self.practice_id)


def id_of_address(*, line1: str, line2: str | None, city: str, state: str, zip: str) -> UUID:  # noqa: A002 # a field
    """Return the id of the location at an address, the same for all its spellings and in imports."""
    return UUID(location_id(line1=line1, line2=line2, city=city, state=state, zip5=zip[:5]))
