"""Reasons for a visit, and the specialties that treat them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from millrace_reference.tables import read_rows


@dataclass(frozen=True, slots=True)
class VisitReason:
    """A reason for a visit; `specialties` are the slugs of those that treat it, the most common first."""

    slug: str
    name: str
    specialties: tuple[str, ...]


@cache
def all_visit_reasons() -> tuple[VisitReason, ...]:
    """Return all visit reasons in the order of the data file."""
    return tuple(
        VisitReason(slug=row["slug"], name=row["name"], specialties=tuple(row["specialties"].split()))
        for row in read_rows("visit_reasons.csv")
    )


@cache
def _by_slug() -> Mapping[str, VisitReason]:
    return {reason.slug: reason for reason in all_visit_reasons()}


def find_visit_reason(slug: str) -> VisitReason | None:
    """Find a visit reason by its slug, e.g. `annual-physical`; return None if it is unknown."""
    return _by_slug().get(slug)
