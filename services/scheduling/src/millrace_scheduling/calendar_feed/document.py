"""Render appointments as an iCalendar document (RFC 5545). Pure.

An event names the provider to the patient and the type of the visit to staff, never the visit reason: the documents are
copied to the servers of calendar programs. Times that the local clock shows twice are written in UTC, because a local
time with its zone can't say which of the two it is.

The UID of an appointment never changes. SEQUENCE increases with each move and with the cancellation. A cancelled
appointment remains in the document with STATUS:CANCELLED, so that calendar programs remove it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone, TimezoneDaylight, TimezoneStandard

from millrace_scheduling.appointment.model import Appointment, State
from millrace_scheduling.calendar_feed.model import LocationDetails, Reader
from millrace_scheduling.reservation.model import Visit
from millrace_scheduling.zones import OffsetPeriod, from_minute, get_zone, offset_periods, to_minute

MEDIA_TYPE = "text/calendar; charset=utf-8"
PRODUCT = "-//Millrace//Appointments//EN"
REFRESH_INTERVAL = timedelta(hours=1)


def render_document(
    appointments: Sequence[Appointment],
    details: Mapping[UUID, LocationDetails],
    reader: Reader,
    public_url: str,
    *,
    name: str | None = None,
) -> bytes:
    """Return an iCalendar document of the appointments and their time zones; deterministic byte by byte.

    `details` are by provider-location; `public_url` is the website's address, with which links begin.
    """
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    if name is not None:
        calendar.add("x-wr-calname", name)
        calendar.add("refresh-interval", REFRESH_INTERVAL, parameters={"VALUE": "DURATION"})
    for component in _time_zones(appointments):
        calendar.add_component(component)
    for appointment in appointments:
        known = details.get(appointment.visit.provider_location_id, LocationDetails())
        calendar.add_component(_event(appointment, known, reader, public_url))
    encoded: bytes = calendar.to_ical()
    return encoded


def _event(appointment: Appointment, details: LocationDetails, reader: Reader, public_url: str) -> Event:
    visit, local = appointment.visit, get_zone(appointment.visit.time_zone)
    event = Event()
    event.add("uid", f"{appointment.id}@millrace")
    event.add("dtstamp", appointment.updated_at)
    event.add("created", appointment.created_at)
    event.add("last-modified", appointment.updated_at)
    event.add("sequence", appointment.sequence)
    event.add("status", "CANCELLED" if appointment.state is State.CANCELLED else "CONFIRMED")
    event.add("dtstart", _unambiguous(visit.start, local))
    event.add("dtend", _unambiguous(visit.end, local))
    event.add("summary", _summary(visit, details, reader))
    if details.address is not None and visit.mode == "in_person":
        event.add("location", details.address)
    event.add("url", f"{public_url}/appointments/{appointment.id}")
    return event


def _unambiguous(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment in local time, or in UTC if the local clock shows its time twice."""
    local = moment.astimezone(zone)
    is_shown_twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return moment.astimezone(UTC) if is_shown_twice else local


def _summary(visit: Visit, details: LocationDetails, reader: Reader) -> str:
    if reader is Reader.STAFF:
        summary = details.visit_types.get(visit.visit_type, visit.visit_type)
    else:
        summary = "Appointment" if details.provider_name is None else f"Appointment with {details.provider_name}"
    return f"{summary} (video)" if visit.mode == "video" else summary


def _time_zones(appointments: Iterable[Appointment]) -> list[Timezone]:
    """Return a VTIMEZONE for each time zone, from a day before its first visit to a day after its last."""
    spans: dict[str, tuple[datetime, datetime]] = {}
    for each in appointments:
        visit = each.visit
        begin, end = spans.get(visit.time_zone, (visit.start, visit.end))
        spans[visit.time_zone] = min(begin, visit.start), max(end, visit.end)
    day = timedelta(1)
    return [render_time_zone(name, begin - day, end + day) for name, (begin, end) in sorted(spans.items())]


def render_time_zone(name: str, begin: datetime, end: datetime) -> Timezone:
    """Return a VTIMEZONE that lists each offset change in the given period instead of recurrence rules."""
    component = Timezone()
    component.add("tzid", name)
    before: int | None = None
    for period in offset_periods(name, to_minute(begin), to_minute(end) + 1):
        if period.offset != before:
            component.add_component(_observance(name, period, period.offset if before is None else before))
            before = period.offset
    return component


def _observance(name: str, period: OffsetPeriod, before: int) -> TimezoneStandard | TimezoneDaylight:
    moment = from_minute(period.begins)
    local = moment.astimezone(get_zone(name))
    observance = TimezoneDaylight() if local.dst() else TimezoneStandard()
    # Local time in the offset before the change (RFC 5545, section 3.6.5).
    observance.add("dtstart", (moment + timedelta(minutes=before)).replace(tzinfo=None))
    observance.add("tzoffsetfrom", timedelta(minutes=before))
    observance.add("tzoffsetto", timedelta(minutes=period.offset))
    observance.add("tzname", local.tzname() or name)
    return observance
