"""The data of a patient that the staff of practices may read. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from millrace_patients.record.model import Record, RecordKind

VISIT_PROFILE_FIELDS = frozenset({"given_name", "family_name", "birth_date", "email", "phone", "address"})
"""Fields of the profile that a visit needs: the name, the birth date and the contact."""


class Scope(StrEnum):
    """How much of a patient's data a practice may read."""

    ALL = "all"
    """The profile and all dependants and insurance cards; chosen by the patient."""
    VISITS = "visits"
    """The data that the visits booked there need."""


@dataclass(frozen=True, slots=True)
class Share:
    """Permission of a practice's staff to read a patient's data."""

    practice_id: UUID
    shared_at: datetime
    scope: Scope


@dataclass(frozen=True, slots=True)
class SharedVisit:
    """A visit booked at a practice. `dependant_id` is None for a visit of the patient.

    `insurance_card_id` is None unless the patient named a card.
    """

    appointment_id: UUID
    practice_id: UUID
    patient_id: UUID
    dependant_id: UUID | None
    insurance_card_id: UUID | None


@dataclass(frozen=True, slots=True)
class VisibleData:
    """The data of a patient that a caller may read: everything, or what some visits need."""

    is_all: bool
    visits: Collection[SharedVisit] = ()

    def includes(self, kind: RecordKind, record: Record) -> bool:
        """Return whether the caller may read a dependant or an insurance card.

        A visit needs its dependant and its card; without a named card, all cards of the person who is visiting.
        """
        if self.is_all:
            return True
        if kind is RecordKind.DEPENDANT:
            return any(visit.dependant_id == record.id for visit in self.visits)
        person = record.content["dependant_id"]
        insured = None if person is None else UUID(person)
        return any(
            visit.dependant_id == insured if visit.insurance_card_id is None else visit.insurance_card_id == record.id
            for visit in self.visits
        )

    def profile(self, content: dict[str, Any]) -> dict[str, Any]:
        """Return the profile's content with null in the fields that the caller may not read."""
        if self.is_all:
            return content
        return {name: value if name in VISIT_PROFILE_FIELDS else None for name, value in content.items()}


ALL_DATA = VisibleData(is_all=True)
