"""Which letters a change asks for, and when: pure."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from millrace_notifications.appointment.model import Happening, Visit
from millrace_notifications.timer.model import Facts, Kind, NewTimer, Plan

REVIEW_AFTER = timedelta(days=1)
REVIEW_UNTIL = timedelta(days=15)
REMINDERS = frozenset({Kind.REMINDER_48H, Kind.REMINDER_2H})
ANNOUNCEMENTS = frozenset({Kind.BOOKED, Kind.MOVED})

_DROPPED = {
    Happening.MOVED: REMINDERS | ANNOUNCEMENTS,
    Happening.CANCELLED: frozenset(Kind),
    Happening.ARRIVED: REMINDERS | ANNOUNCEMENTS,
    Happening.COMPLETED: REMINDERS | ANNOUNCEMENTS,
    Happening.NO_SHOW: REMINDERS | ANNOUNCEMENTS,
}


def plan(happening: Happening, visit: Visit, zone: str | None, now: datetime, *, announce: bool = True) -> Plan:
    """The timers that the happening drops and those that it sets. None is set whose time has passed at `now`.

    `zone` is that of the place; without one, UTC. `announce` False: nothing that tells of the happening itself.
    """
    facts = _facts(visit, zone)
    timers = [
        NewTimer(
            kind=kind,
            entity=visit.entity,
            version=visit.version,
            patient_id=visit.patient_id,
            facts=facts,
            due_at=due,
            expires_at=expires,
        )
        for kind, due, expires in _times(happening, visit, zone_of(zone), now)
        if expires > now and (announce or kind in REMINDERS)
    ]
    return Plan(visit.entity, happening, _DROPPED.get(happening, frozenset()), tuple(timers))


def _times(happening: Happening, visit: Visit, zone: ZoneInfo, now: datetime) -> list[tuple[Kind, datetime, datetime]]:
    """Kinds with the times from which and until which they may be sent."""
    match happening:
        case Happening.BOOKED | Happening.MOVED:
            return [(Kind(happening), now, visit.start), *_reminders(visit.start, zone, now)]
        case Happening.CANCELLED:
            return [(Kind.CANCELLED, now, visit.start)]
        case Happening.COMPLETED:
            done = visit.completed_at or now
            return [(Kind.REVIEW_REQUEST, done + REVIEW_AFTER, done + REVIEW_UNTIL)]
        case _:
            return []


def _reminders(start: datetime, zone: ZoneInfo, now: datetime) -> list[tuple[Kind, datetime, datetime]]:
    """Those whose time has not come yet: who books on the day before needs no reminder of two days before."""
    two_hours = start - timedelta(hours=2)
    found = [
        (Kind.REMINDER_48H, two_days_before(start, zone), two_hours),
        (Kind.REMINDER_2H, two_hours, start),
    ]
    return [(kind, due, expires) for kind, due, expires in found if due > now]


def two_days_before(start: datetime, zone: ZoneInfo) -> datetime:
    """The same time of day two days before, on the clocks of the zone; 47 or 49 hours where those are changed."""
    wall = start.astimezone(zone).replace(tzinfo=None) - timedelta(days=2)
    return wall.replace(tzinfo=zone).astimezone(UTC)


def zone_of(name: str | None) -> ZoneInfo:
    """UTC where the name is unknown: a letter with a time in UTC says so, and is better than none."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _facts(visit: Visit, zone: str | None) -> Facts:
    return Facts(
        start=visit.start,
        provider_location_id=visit.provider_location_id,
        npi=visit.npi,
        mode=visit.mode,
        minutes=visit.minutes,
        time_zone=zone,
        appointment_id=visit.id,
        moved_from=visit.moved_from,
        cancelled_by=visit.cancelled_by,
    )
