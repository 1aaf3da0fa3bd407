"""A location and its rules."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from millrace_directory.events import Event
from millrace_directory.location.events import LocationMoved
from millrace_directory.model import State
from millrace_directory.rules import Violation, check_phone, check_state, check_zip


@dataclass(frozen=True, slots=True, kw_only=True)
class Location(State):
    """A place where patients are seen, at an address in the United States or a territory."""

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

    def consequences(self, after: Self | None) -> Iterator[Event]:
        if after is not None and after.carried != self.carried:
            yield LocationMoved(self.id)

    @property
    def carried(self) -> tuple[object, ...]:
        """What the provider-locations here carry of it."""
        return (self.line1, self.line2, self.city, self.state, self.zip, self.practice_id)
