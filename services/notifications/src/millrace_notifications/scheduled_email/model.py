"""Scheduled emails and the data that their templates show: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from millrace_notifications.appointment.model import AwareTime


class EmailKind(StrEnum):
    """Kinds of emails to patients."""

    BOOKED = "booked"
    MOVED = "moved"
    CANCELLED = "cancelled"
    REMINDER_48H = "reminder_48h"
    REMINDER_2H = "reminder_2h"
    REVIEW_REQUEST = "review_request"
    WAITLIST_OFFER = "waitlist_offer"


class TemplateData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Data that an email's template shows, stored when the email is scheduled. It has no contact and no names."""

    start: AwareTime
    provider_location_id: str
    npi: str
    mode: str = "in_person"
    minutes: int | None = None
    time_zone: str | None = None
    appointment_id: str | None = None
    moved_from: AwareTime | None = None
    cancelled_by: str | None = None
    waitlist_entry_id: str | None = None
    until: AwareTime | None = None
    """Expiry of a waitlist offer: until then the offered time is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEmail:
    """An email to be scheduled, for sending between `due_at` and `expires_at`. Unique by (kind, entity, version)."""

    kind: EmailKind
    entity: str
    version: int
    patient_id: str
    template_data: TemplateData
    due_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class EmailPlan:
    """The emails that a change of an entity drops and schedules.

    First drop the entity's waiting emails of the `dropped` kinds, with this `reason`; then schedule the `new` ones.
    """

    entity: str
    reason: str
    dropped: frozenset[EmailKind] = frozenset()
    new: tuple[NewEmail, ...] = ()


def group_drops(plans: Sequence[EmailPlan]) -> dict[tuple[str, frozenset[EmailKind]], list[str]]:
    """Return the entities whose waiting emails are to be dropped, by (reason, kinds of the dropped emails)."""
    drops: dict[tuple[str, frozenset[EmailKind]], list[str]] = {}
    for plan in plans:
        if plan.dropped:
            drops.setdefault((plan.reason, plan.dropped), []).append(plan.entity)
    return drops


def remaining_emails(plans: Sequence[EmailPlan]) -> list[NewEmail]:
    """Return the new emails of all plans, in order, without those that a later plan drops."""
    by_entity: dict[str, list[NewEmail]] = {}
    for plan in plans:
        remaining = [email for email in by_entity.get(plan.entity, ()) if email.kind not in plan.dropped]
        by_entity[plan.entity] = [*remaining, *plan.new]
    return [email for emails in by_entity.values() for email in emails]


@dataclass(frozen=True, slots=True)
class DueEmail:
    """A due email leased by this worker. `attempts` is the number of earlier attempts to send it."""

    id: UUID
    lease: UUID
    kind: EmailKind
    patient_id: str
    template_data: TemplateData
    expires_at: datetime
    attempts: int
