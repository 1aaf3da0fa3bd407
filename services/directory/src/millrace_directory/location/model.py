"""A location and its rules."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from millrace_directory.model import DomainEvent, State
from millrace_directory.rules import Violation, check_phone, check_state, check_zip


@dataclass(frozen=True, slots=True)
class LocationMoved(DomainEvent):
    """Domain event: the address or the practice of a location changed; its provider-locations contain both."""


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
        yield from check_state("address.state", self.state)
        yield from check_zip("address.zip", self.zip)
        yield from check_phone("phone", self.phone)

    def domain_events(self, after: Self | None) -> Iterator[DomainEvent]:
        if after is not None and after.shown_by_provider_locations != self.shown_by_provider_locations:
            yield LocationMoved(self.id)

    @property
    def shown_by_provider_locations(self) -> tuple[object, ...]:
        """The values of this location that its provider-locations contain too."""
        return (self.line1, self.line2, self.city, self.state, self.zip, self.practice_id)
