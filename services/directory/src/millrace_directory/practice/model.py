"""A practice and its rules."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from millrace_directory.model import DomainEvent, State
from millrace_directory.rules import Violation, check_npi, check_phone


@dataclass(frozen=True, slots=True)
class PracticeRenamed(DomainEvent):
    """Domain event: the name of a practice changed; its locations and provider-locations contain the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice(State):
    """An organization that runs locations. `npi` is its organizational NPI, None if it has none."""

    id: UUID
    name: str
    npi: str | None = None
    phone: str | None = None

    def violations(self) -> Iterator[Violation]:
        if self.npi is not None:
            yield from check_npi("npi", self.npi)
        yield from check_phone("phone", self.phone)

    def domain_events(self, after: Self | None) -> Iterator[DomainEvent]:
        if after is not None and after.name != self.name:
            yield PracticeRenamed(self.id)
