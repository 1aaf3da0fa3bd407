"""Why people see a provider, and which specialties see them for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from millrace_reference.tables import rows


@dataclass(frozen=True, slots=True)
class VisitReason:
    """A visit reason; `specialties` are slugs, the most usual first."""

    slug: str
    name: str
    specialties: tuple[str, ...]


@cache
def all_visit_reasons() -> tuple[VisitReason, ...]:
    """All visit reasons in the order of the file."""
    return tuple(
        VisitReason(slug=row["slug"], name=row["name"], specialties=tuple(row["specialties"].split()))
        for row in rows("visit_reasons.csv")
    )


@cache
def _by_slug() -> Mapping[str, VisitReason]:
    return {reason.slug: reason for reason in all_visit_reasons()}


def visit_reason(slug: str) -> VisitReason | None:
    """The visit reason with a slug such as `annual-physical`."""
    return _by_slug().get(slug)
