"""Appointments as REST resources."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from millrace_platform.resources import Body, Moment, Schema, Version
from millrace_scheduling.appointment.model import CANCELLATION_REASONS, Appointment, Party, State
from millrace_scheduling.hold.schemas import VisitFields, visit_fields
from millrace_scheduling.zones import get_zone


class BookBody(Body):
    """The hold that becomes an appointment.

    `insurance_card_id` is the card that the practice may read for this visit; without it, the practice may read all
    cards of the person who is visiting.
    """

    hold_id: UUID
    insurance_card_id: UUID | None = None


class CancelBody(Body):
    """The reason of a cancellation. Patients and practices have different codes."""

    reason: Literal[
        "schedule_conflict",
        "feeling_better",
        "found_other_care",
        "insurance",
        "transport",
        "provider_unavailable",
        "practice_closed",
        "patient_request",
        "duplicate",
        "other",
    ] = Field(
        description=f"Patients: {', '.join(CANCELLATION_REASONS[Party.PATIENT])}. "
        f"Staff: {', '.join(CANCELLATION_REASONS[Party.PRACTICE])}."
    )


class MoveBody(Body):
    """The new time at the same provider-location: either a free start, or a hold of the caller."""

    start: Moment | None = None
    hold_id: UUID | None = None

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if (self.start is None) == (self.hold_id is None):
            raise PydanticCustomError(
                "one_of_two", "Exactly one of start and hold_id is required.", {"remedy": "Give start or hold_id."}
            )
        return self


class AppointmentResource(VisitFields):
    """A booked visit."""

    id: UUID
    version: Version
    state: State
    patient_id: UUID | None = Field(description="Null once the patient's data was erased.")
    dependant_id: UUID | None
    insurance_card_id: UUID | None
    moved_from: datetime | None
    cancelled_by: Party | None
    cancellation_reason: str | None
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, appointment: Appointment) -> "AppointmentResource":
        visit, cancellation = appointment.visit, appointment.cancellation
        moved = appointment.moved_from
        return cls.model_construct(
            id=appointment.id,
            version=appointment.version,
            state=appointment.state,
            patient_id=appointment.patient_id,
            dependant_id=appointment.dependant_id,
            insurance_card_id=appointment.insurance_card_id,
            **visit_fields(visit),
            moved_from=None if moved is None else moved.astimezone(get_zone(visit.time_zone)),
            cancelled_by=None if cancellation is None else cancellation.by,
            cancellation_reason=None if cancellation is None else cancellation.reason,
            completed_at=appointment.completed_at,
            created_at=appointment.created_at,
            updated_at=appointment.updated_at,
        )


class AppointmentPage(Schema):
    """Appointments ordered by start; `next` is the cursor of the next page."""

    items: list[AppointmentResource]
    next: str | None
