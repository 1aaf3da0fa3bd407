"""Rules for the emails that a change of an appointment schedules: pure."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from millrace_notifications.appointment.model import Appointment, ChangeType
from millrace_notifications.scheduled_email.model import EmailKind, EmailPlan, NewEmail, TemplateData

REVIEW_AFTER = timedelta(days=1)
REVIEW_UNTIL = timedelta(days=15)
REMINDERS = frozenset({EmailKind.REMINDER_48H, EmailKind.REMINDER_2H})
ANNOUNCEMENTS = frozenset({EmailKind.BOOKED, EmailKind.MOVED})

_DROPPED = {
    ChangeType.MOVED: REMINDERS | ANNOUNCEMENTS,
    ChangeType.CANCELLED: frozenset(EmailKind),
    ChangeType.ARRIVED: REMINDERS | ANNOUNCEMENTS,
    ChangeType.COMPLETED: REMINDERS | ANNOUNCEMENTS,
    ChangeType.NO_SHOW: REMINDERS | ANNOUNCEMENTS,
}


def plan_emails(
    change: ChangeType, appointment: Appointment, zone: str | None, now: datetime, *, announce: bool = True
) -> EmailPlan:
    """Return the emails that the change drops and schedules. Emails that expire by `now` are left out.

    `zone` is the provider-location's time zone; None means UTC. If `announce` is False, only reminders are scheduled.
    """
    data = {**asdict(appointment), "time_zone": zone, "appointment_id": appointment.id}
    emails = [
        NewEmail(
            kind=kind,
            entity=appointment.entity,
            version=appointment.version,
            patient_id=appointment.patient_id,
            template_data=msgspec.convert(data, TemplateData),
            due_at=due,
            expires_at=expires,
        )
        for kind, due, expires in _list_times(change, appointment, zone_or_utc(zone), now)
        if expires > now and (announce or kind in REMINDERS)
    ]
    return EmailPlan(appointment.entity, change, _DROPPED.get(change, frozenset()), tuple(emails))


def _list_times(
    change: ChangeType, appointment: Appointment, zone: ZoneInfo, now: datetime
) -> list[tuple[EmailKind, datetime, datetime]]:
    """Return the kind, due time and expiry of each email that the change schedules."""
    match change:
        case ChangeType.BOOKED | ChangeType.MOVED:
            announcement = (EmailKind(change), now, appointment.start)
            return [announcement, *_list_reminders(appointment.start, zone, now)]
        case ChangeType.CANCELLED:
            return [(EmailKind.CANCELLED, now, appointment.start)]
        case ChangeType.COMPLETED:
            completed = appointment.completed_at or now
            return [(EmailKind.REVIEW_REQUEST, completed + REVIEW_AFTER, completed + REVIEW_UNTIL)]
        case _:
            return []


def _list_reminders(start: datetime, zone: ZoneInfo, now: datetime) -> list[tuple[EmailKind, datetime, datetime]]:
    """Return kind, due time and expiry of each reminder whose due time hasn't passed."""
    two_hours = start - timedelta(hours=2)
    reminders = [
        (EmailKind.REMINDER_48H, two_days_before(start, zone), two_hours),
        (EmailKind.REMINDER_2H, two_hours, start),
    ]
    return [(kind, due, expires) for kind, due, expires in reminders if due > now]


def two_days_before(start: datetime, zone: ZoneInfo) -> datetime:
    """Return the same local time two days earlier, which is 47 or 49 hours if the clocks change in between."""
    local = start.astimezone(zone).replace(tzinfo=None) - timedelta(days=2)
    return local.replace(tzinfo=zone).astimezone(UTC)


def zone_or_utc(name: str | None) -> ZoneInfo:
    """Return the zone, or UTC for None or an unknown name, because an email with UTC times is better than none."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
