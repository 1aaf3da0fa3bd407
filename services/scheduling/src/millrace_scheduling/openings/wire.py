"""Openings as the feed and the stream carry them."""

from datetime import date, timedelta
from uuid import UUID

import msgspec

from millrace_contracts.registry import AVAILABILITY
from millrace_platform.unit_of_work import Action, Event
from millrace_scheduling.availability.model import ANYTHING, Bounds
from millrace_scheduling.availability.rendering import openings_json
from millrace_scheduling.availability.repository import Timetable
from millrace_scheduling.availability.service import times_of
from millrace_scheduling.openings.model import week_name
from millrace_scheduling.slot.model import Occupied
from millrace_scheduling.slot.windows import day_begins


def week_data(timetable: Timetable, week: date, occupied: Occupied, now: float) -> bytes | None:
    """The contract's `Availability` of a week as JSON; None where the place has no calendar."""
    if timetable.calendar is None:
        return None
    zone = timetable.time_zone
    within = Bounds(day_begins(zone, week), day_begins(zone, week + timedelta(7)))
    times = times_of(timetable, occupied, ANYTHING, within, now)
    openings = openings_json(zone, times.runs, times.visit_types, ANYTHING)
    return (
        f'{{"provider_location_id":"{timetable.place_id}","npi":"{timetable.npi}","week":"{week_name(week)}",'
        f'"time_zone":"{zone}","openings":{openings}}}'
    ).encode()


def is_empty(data: bytes | None) -> bool:
    """Whether it says no more than nothing at all."""
    return data is None or data.endswith(b'"openings":[]}')


def openings_event(npi: str, place_id: UUID, week: date, version: int, data: bytes | None) -> Event:
    """The step of a week's openings to a version."""
    subject = "/".join((AVAILABILITY.name, npi, str(place_id), week_name(week)))
    if data is None:
        return Event(AVAILABILITY.name, AVAILABILITY.dataschema, subject, "deleted", version, b"null")
    action: Action = "created" if version == 1 else "updated"
    return Event(AVAILABILITY.name, AVAILABILITY.dataschema, subject, action, version, data)


def server_sent(seq: int, data: bytes | None, place_id: UUID, week: date) -> bytes:
    """One event of the stream (HTML standard, section 9.2)."""
    if data is not None:
        return b"id: %d\nevent: availability\ndata: %s\n\n" % (seq, data)
    gone = msgspec.json.encode({"provider_location_id": str(place_id), "week": week_name(week)})
    return b"id: %d\nevent: removed\ndata: %s\n\n" % (seq, gone)
