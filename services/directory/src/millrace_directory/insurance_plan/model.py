"""An insurance plan."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from millrace_directory.events import Event
from millrace_directory.insurance_plan.events import PlanWithdrawn
from millrace_directory.model import State


@dataclass(frozen=True, slots=True, kw_only=True)
class InsurancePlan(State):
    """A health plan. `id` is the HIOS plan id (14 characters) or an identifier of one's own; `years` are sorted."""

    id: str
    name: str
    issuer: str | None = None
    years: tuple[int, ...] = ()
    network_tiers: tuple[str, ...] = ()

    def consequences(self, after: Self | None) -> Iterator[Event]:
        if after is None:
            yield PlanWithdrawn(self.id)
