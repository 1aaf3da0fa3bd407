"""Timers and what a letter tells: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec


class Kind(StrEnum):
    """What a letter is about."""

    BOOKED = "booked"
    MOVED = "moved"
    CANCELLED = "cancelled"
    REMINDER_48H = "reminder_48h"
    REMINDER_2H = "reminder_2h"
    REVIEW_REQUEST = "review_request"
    WAITLIST_OFFER = "waitlist_offer"


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a letter tells, as it was at the version that it is about; ids and times only."""

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
    """Until when an offered time is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTimer:
    """A letter to be sent from `due_at` on, and not at all from `expires_at` on.

    There is one at most of each (kind, entity, version).
    """

    kind: Kind
    entity: str
    version: int
    patient_id: str
    facts: Facts
    due_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change does to the timers of its entity: first those of `dropped` kinds go, then the new ones come."""

    entity: str
    reason: str
    dropped: frozenset[Kind] = frozenset()
    timers: tuple[NewTimer, ...] = ()


def drops(plans: Sequence[Plan]) -> dict[tuple[str, frozenset[Kind]], list[str]]:
    """Entities whose timers of some kinds go, by reason and kinds."""
    found: dict[tuple[str, frozenset[Kind]], list[str]] = {}
    for plan in plans:
        if plan.dropped:
            found.setdefault((plan.reason, plan.dropped), []).append(plan.entity)
    return found


def remaining(plans: Sequence[Plan]) -> list[NewTimer]:
    """The new timers that no later one of the plans drops."""
    by_entity: dict[str, list[NewTimer]] = {}
    for plan in plans:
        kept = [timer for timer in by_entity.get(plan.entity, ()) if timer.kind not in plan.dropped]
        by_entity[plan.entity] = [*kept, *plan.timers]
    return [timer for timers in by_entity.values() for timer in timers]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A timer whose time has come, leased to this worker. `attempts` counts those before."""

    id: UUID
    lease: UUID
    kind: Kind
    patient_id: str
    facts: Facts
    expires_at: datetime
    attempts: int
