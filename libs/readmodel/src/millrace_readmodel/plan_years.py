"""Insurance plans that a provider-location accepts in a plan year: a calendar year, in UTC.

The read model keeps the years of each acceptance, so that no card changes when a year begins.
"""

from datetime import UTC, datetime
from typing import Final

from millrace_contracts.entities import ProviderLocation

_SEPARATOR: Final = ":"
"""Between plan id and year in a plan set; plan ids don't contain it."""


def plan_year(seconds: float) -> int:
    """Return the plan year of a Unix time."""
    return datetime.fromtimestamp(seconds, UTC).year


def accepted_plans(location: ProviderLocation, year: int) -> list[str]:
    """Return the ids of the plans that are accepted in a year, sorted."""
    years = location.accepted_plan_years
    return [plan for plan in location.accepted_plans if plan not in years or year in years[plan]]


def plan_set(location: ProviderLocation) -> tuple[str, ...]:
    """Return the members of the plan set: plan ids, or `plan:year` for each year of a plan accepted in some years."""
    years = location.accepted_plan_years
    return tuple(
        member
        for plan in location.accepted_plans
        for member in ((f"{plan}{_SEPARATOR}{year}" for year in years[plan]) if plan in years else (plan,))
    )


def split_member(member: str) -> tuple[str, int | None]:
    """Return (plan id, year) of a member of a plan set; None for all years."""
    plan, _, year = member.partition(_SEPARATOR)
    return plan, int(year) if year else None
