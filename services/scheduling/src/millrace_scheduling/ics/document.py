"""Appointments as an iCalendar document (RFC 5545). Pure.

An appointment keeps its UID for life; SEQUENCE rises with each move and with the cancellation, which is told by
STATUS:CANCELLED, so that a calendar that had the visit takes it out.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from icalendar import Calendar, Event, Timezone, TimezoneDaylight, TimezoneStandard

from millrace_scheduling.appointment.model import Appointment, State
from millrace_scheduling.slot.zones import Stretch, minute_of, moment_of, stretches, zone

MEDIA_TYPE = "text/calendar; charset=utf-8"
PRODUCT = "-//Millrace//Appointments//EN"
REFRESH = timedelta(hours=1)


def document(appointments: Sequence[Appointment], *, name: str | None = None) -> bytes:
    """The appointments with the time zones that they need. The same appointments make the same bytes."""
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    if name is not None:
        calendar.add("x-wr-calname", name)
        calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    for time_zone in _zones(appointments):
        calendar.add_component(time_zone)
    for appointment in appointments:
        calendar.add_component(_event(appointment))
    encoded: bytes = calendar.to_ical()
    return encoded


def _event(appointment: Appointment) -> Event:
    visit, local = appointment.visit, zone(appointment.visit.time_zone)
    event = Event()
    event.add("uid", f"{appointment.id}@millrace")
    event.add("dtstamp", appointment.updated_at)
    event.add("created", appointment.created_at)
    event.add("last-modified", appointment.updated_at)
    event.add("sequence", appointment.sequence)
    event.add("status", "CANCELLED" if appointment.state is State.CANCELLED else "CONFIRMED")
    event.add("dtstart", visit.start.astimezone(local))
    event.add("dtend", visit.end.astimezone(local))
    event.add("summary", _summary(visit.visit_reason, visit.mode))
    return event


def _summary(visit_reason: str | None, mode: str) -> str:
    what = "Appointment" if visit_reason is None else f"Appointment: {visit_reason.replace('-', ' ')}"
    return f"{what} (video)" if mode == "video" else what


def _zones(appointments: Iterable[Appointment]) -> list[Timezone]:
    """One VTIMEZONE for each zone, from a day before its first visit to a day after its last."""
    spans: dict[str, tuple[datetime, datetime]] = {}
    for each in appointments:
        visit = each.visit
        begin, end = spans.get(visit.time_zone, (visit.start, visit.end))
        spans[visit.time_zone] = min(begin, visit.start), max(end, visit.end)
    day = timedelta(1)
    return [time_zone(name, begin - day, end + day) for name, (begin, end) in sorted(spans.items())]


def time_zone(name: str, begin: datetime, end: datetime) -> Timezone:
    """The zone's offsets in that time, with every change written out: no rule has to be guessed."""
    component = Timezone()
    component.add("tzid", name)
    before: int | None = None
    for stretch in stretches(name, minute_of(begin), minute_of(end) + 1):
        if stretch.offset != before:
            component.add_component(_observance(name, stretch, stretch.offset if before is None else before))
            before = stretch.offset
    return component


def _observance(name: str, stretch: Stretch, before: int) -> TimezoneStandard | TimezoneDaylight:
    moment = moment_of(stretch.begins)
    local = moment.astimezone(zone(name))
    observance = TimezoneDaylight() if local.dst() else TimezoneStandard()
    # A time on the wall as it was shown until then (RFC 5545, section 3.6.5).
    observance.add("dtstart", (moment + timedelta(minutes=before)).replace(tzinfo=None))
    observance.add("tzoffsetfrom", timedelta(minutes=before))
    observance.add("tzoffsetto", timedelta(minutes=stretch.offset))
    observance.add("tzname", local.tzname() or name)
    return observance
