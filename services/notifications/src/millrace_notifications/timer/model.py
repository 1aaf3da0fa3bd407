"""Timers and the data of their emails: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec


class EmailKind(StrEnum):
    """Kinds of emails to patients."""

    BOOKED = "booked"
    MOVED = "moved"
    CANCELLED = "cancelled"
    REMINDER_48H = "reminder_48h"
    REMINDER_2H = "reminder_2h"
    REVIEW_REQUEST = "review_request"
    WAITLIST_OFFER = "waitlist_offer"


class EmailData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Data stored for an email, from the entity version that caused it; it contains no contact and no names."""

    start: datetime
    provider_location_id: str
    npi: str
    mode: str = "in_person"
    minutes: int | None = None
    time_zone: str | None = None
    appointment_id: str | None = None
    moved_from: datetime | None = None
    cancelled_by: str | None = None
    waitlist_entry_id: str | None = None
    until: datetime | None = None
    """Expiry of a waitlist offer: until then the offered time is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTimer:
    """An email to be scheduled, for sending between `due_at` and `expires_at`. Unique by (kind, entity, version)."""

    kind: EmailKind
    entity: str
    version: int
    patient_id: str
    data: EmailData
    due_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TimerPlan:
    """Effect of a change on the timers of its entity: drop waiting ones of the `dropped` kinds, then add `timers`."""

    entity: str
    reason: str
    dropped: frozenset[EmailKind] = frozenset()
    timers: tuple[NewTimer, ...] = ()


def group_drops(plans: Sequence[TimerPlan]) -> dict[tuple[str, frozenset[EmailKind]], list[str]]:
    """Return the entities whose timers are to be dropped, by (reason, kinds of the dropped timers)."""
    drops: dict[tuple[str, frozenset[EmailKind]], list[str]] = {}
    for plan in plans:
        if plan.dropped:
            drops.setdefault((plan.reason, plan.dropped), []).append(plan.entity)
    return drops


def remaining_timers(plans: Sequence[TimerPlan]) -> list[NewTimer]:
    """Return the new timers of all plans, in order, without those that a later plan drops."""
    by_entity: dict[str, list[NewTimer]] = {}
    for plan in plans:
        remaining = [timer for timer in by_entity.get(plan.entity, ()) if timer.kind not in plan.dropped]
        by_entity[plan.entity] = [*remaining, *plan.timers]
    return [timer for timers in by_entity.values() for timer in timers]


@dataclass(frozen=True, slots=True)
class DueTimer:
    """A due timer leased by this worker. `attempts` is the number of earlier attempts."""

    id: UUID
    lease: UUID
    kind: EmailKind
    patient_id: str
    data: EmailData
    expires_at: datetime
    attempts: int
