"""Conversion of openings to events of the feed and of the stream."""

from datetime import date, timedelta
from uuid import UUID

import msgspec

from millrace_contracts.registry import AVAILABILITY
from millrace_platform.unit_of_work import Action, Event
from millrace_scheduling.availability.model import StartBounds, Timetable, find_bookable_times
from millrace_scheduling.availability.rendering import openings_json
from millrace_scheduling.availability.visit_types import ANY_VISIT
from millrace_scheduling.calendar.slots import OccupiedTime
from millrace_scheduling.calendar.windows import start_of_day
from millrace_scheduling.openings.model import week_name


def render_week(timetable: Timetable, week: date, occupied: OccupiedTime, now: float) -> bytes | None:
    """Return a week's `Availability` entity as JSON; None if the provider-location has no calendar."""
    if timetable.calendar is None:
        return None
    zone = timetable.time_zone
    within = StartBounds(start_of_day(zone, week), start_of_day(zone, week + timedelta(7)))
    times = find_bookable_times(timetable, occupied, ANY_VISIT, within, now)
    openings = openings_json(zone, times.runs, times.visit_types, ANY_VISIT)
    return (
        f'{{"provider_location_id":"{timetable.provider_location_id}","npi":"{timetable.npi}","week":"{week_name(week)}",'
        f'"time_zone":"{zone}","openings":{openings}}}'
    ).encode()


def is_empty(data: bytes | None) -> bool:
    """Return whether the entity's JSON has no openings; True for None."""
    return data is None or data.endswith(b'"openings":[]}')


def openings_event(npi: str, provider_location_id: UUID, week: date, version: int, data: bytes | None) -> Event:
    """Return the event that publishes a version of a week's openings; `data` is None for a deletion."""
    subject = "/".join((AVAILABILITY.name, npi, str(provider_location_id), week_name(week)))
    if data is None:
        return Event(AVAILABILITY.name, AVAILABILITY.dataschema, subject, "deleted", version, b"null")
    action: Action = "created" if version == 1 else "updated"
    return Event(AVAILABILITY.name, AVAILABILITY.dataschema, subject, action, version, data)


def server_sent_event(seq: int, data: bytes | None, provider_location_id: UUID, week: date) -> bytes:
    """Return a server-sent event (HTML standard, section 9.2): `availability`, or `removed` if `data` is None."""
    if data is not None:
        return b"id: %d\nevent: availability\ndata: %s\n\n" % (seq, data)
    key = msgspec.json.encode({"provider_location_id": str(provider_location_id), "week": week_name(week)})
    return b"id: %d\nevent: removed\ndata: %s\n\n" % (seq, key)
