"""A provider-location and its rules."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from millrace_directory.model import State
from millrace_directory.rules import Violation, check_phone, check_taxonomy


def join_plan_years(years: Mapping[str, Iterable[int]]) -> tuple[str, ...]:
    """Return plans and their years as sorted `plan:year` texts, as in `ProviderLocation.accepted_plan_years`."""
    return tuple(sorted(f"{plan}:{year}" for plan, own in years.items() for year in set(own)))


def split_plan_years(joined: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Return the sorted years by plan of sorted `plan:year` texts."""
    found: dict[str, list[int]] = {}
    for each in joined:
        plan, _, year = each.partition(":")
        found.setdefault(plan, []).append(int(year))
    return {plan: tuple(years) for plan, years in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderLocation(State):
    """One provider at one location, the unit of search and booking. `accepted_plans` are plan ids, sorted.

    `accepted_plan_years` has `plan:year` for each year in which a plan is accepted, sorted; a plan without is accepted
    in all years. One that `is_pending` isn't searched or booked until another practice of the provider confirms it.
    """

    identity: ClassVar[tuple[str, ...]] = ("id", "npi", "location_id")

    id: UUID
    npi: str
    location_id: UUID
    taxonomy: str
    phone: str | None = None
    new_patients: bool | None = None
    accepted_plans: tuple[str, ...] = ()
    accepted_plan_years: tuple[str, ...] = ()
    is_pending: bool = False

    def violations(self) -> Iterator[Violation]:
        yield from check_taxonomy("taxonomy", self.taxonomy)
        yield from check_phone("phone", self.phone)
