"""Suggestions found for a typed text."""

from dataclasses import dataclass

from millrace_reference.specialties import Specialty
from millrace_reference.visit_reasons import VisitReason
from millrace_search.index.plans import Plan


@dataclass(frozen=True, slots=True)
class ProviderMatch:
    """A provider with the city and state of one of its locations."""

    npi: str
    name: str
    specialty: Specialty | None
    city: str
    state: str


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Suggestions of each type, best first; providers are distinct by NPI."""

    specialties: list[Specialty]
    visit_reasons: list[VisitReason]
    plans: list[Plan]
    providers: list[ProviderMatch]
