"""An insurance plan."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from millrace_directory.model import DomainEvent, State

FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2100


@dataclass(frozen=True, slots=True)
class PlanDeleted(DomainEvent):
    """Domain event: an insurance plan was deleted, so provider-locations can no longer accept it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InsurancePlan(State):
    """Health plan. `id` is the HIOS plan id (14 characters) or the client's own identifier; `years` are sorted."""

    id: str
    name: str
    issuer: str | None = None
    years: tuple[int, ...] = ()
    network_tiers: tuple[str, ...] = ()

    def domain_events(self, after: Self | None) -> Iterator[DomainEvent]:
        if after is None:
            yield PlanDeleted(self.id)
