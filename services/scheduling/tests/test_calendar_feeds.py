"""Appointments in iCalendar format and calendar feeds."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar

from millrace_scheduling.calendar_feed.document import render_time_zone
from millrace_scheduling.zones import get_zone

from .booking import HALF_PAST_NINE, NINE, TEN, Client, bookable_location, new_patient, staff_client
from .running import CALENDAR, PRACTICE, UNKNOWN, Service, bearer


def events_of(text: str) -> list[Any]:
    return list(Calendar.from_ical(text).walk("VEVENT"))


async def read_feed(service: Service, path: str) -> list[Any]:
    """Return the events of a feed, read without a token as by a calendar program."""
    response = await service.client.get(path)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/calendar; charset=utf-8")
    return events_of(response.text)


async def create_feed(client: Client, **body: str) -> tuple[str, str]:
    made = await client.post("/v1/appointments/feeds", body)
    assert made.status_code == 201, made.text
    return made.json()["feed"]["id"], made.json()["path"]


async def test_appointment_keeps_its_uid_and_increases_its_sequence(service: Service) -> None:
    ada = new_patient(service)
    appointment = await ada.book(await bookable_location(service), visit_reason="annual-physical")
    path = f"/v1/appointments/{appointment['id']}/calendar.ics"
    response = await ada.get(path)
    (first,) = events_of(response.text)
    assert (first["SEQUENCE"], str(first["STATUS"])) == (0, "CONFIRMED")
    assert str(first["SUMMARY"]) == "Appointment: annual physical"
    assert first["DTSTART"].dt == datetime(2026, 11, 19, 9, tzinfo=ZoneInfo("America/New_York"))
    assert first["DTSTART"].params["TZID"] == "America/New_York"
    assert first["DTEND"].dt - first["DTSTART"].dt == timedelta(minutes=30)
    await ada.act(appointment, "confirm")
    await ada.act(appointment, "reschedule", {"start": TEN})
    (moved,) = events_of((await ada.get(path)).text)
    assert (moved["UID"], moved["SEQUENCE"], moved["DTSTART"].dt.hour) == (first["UID"], 1, 10)
    await ada.act(appointment, "cancel", {"reason": "other"})
    (cancelled,) = events_of((await ada.get(path)).text)
    assert (cancelled["UID"], cancelled["SEQUENCE"], str(cancelled["STATUS"])) == (first["UID"], 2, "CANCELLED")
    assert (await new_patient(service).get(path)).status_code == 404


async def test_patient_feed_lists_own_appointments(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    await ada.book(location, NINE)
    cancelled = await ada.book(location, TEN)
    await ada.act(cancelled, "cancel", {"reason": "other"})
    await new_patient(service).book(location, HALF_PAST_NINE)
    _, path = await create_feed(ada)
    assert [str(each["STATUS"]) for each in await read_feed(service, path)] == ["CONFIRMED", "CANCELLED"]


async def test_feeds_of_location_and_provider_are_for_staff(service: Service) -> None:
    here = await service.add_provider_location(npi="1888888888", calendar=CALENDAR)
    elsewhere = await service.add_provider_location(npi="1888888888", practice=UNKNOWN, calendar=CALENDAR)
    for location, start in ((here, NINE), (elsewhere, TEN)):
        await new_patient(service).book(location, start)
    staff = staff_client(service)
    _, of_location = await create_feed(staff, provider_location_id=here)
    _, of_provider = await create_feed(staff, npi="1888888888")
    assert len(await read_feed(service, of_location)) == len(await read_feed(service, of_provider)) == 1
    for other in (Client(service, bearer("staff", UNKNOWN)), new_patient(service)):
        response = await other.post("/v1/appointments/feeds", {"provider_location_id": here})
        assert response.status_code == 404
    assert (await staff.post("/v1/appointments/feeds", {"npi": "1777777777"})).status_code == 404
    assert (await staff.post("/v1/appointments/feeds", {})).status_code == 403


async def test_feed_address_is_secret_and_can_be_revoked(service: Service) -> None:
    ada, eve = new_patient(service), new_patient(service)
    identifier, path = await create_feed(ada)
    _, other = await create_feed(ada)
    assert path != other
    assert (await ada.get("/v1/appointments/feeds")).json()["items"][0]["id"] == identifier
    assert path.rpartition("/")[2] not in (await ada.get("/v1/appointments/feeds")).text
    assert (await eve.delete(f"/v1/appointments/feeds/{identifier}")).status_code == 404
    assert (await ada.delete(f"/v1/appointments/feeds/{identifier}")).status_code == 204
    assert (await service.client.get(path)).status_code == 404
    assert (await service.client.get(other)).status_code == 200
    guessed = f"/v1/appointments/feeds/{'A' * 43}.ics"
    assert (await service.client.get(guessed)).status_code == 404
    assert PRACTICE not in (await ada.get("/v1/appointments/feeds")).text


@pytest.mark.parametrize("name", ["America/New_York", "America/Phoenix", "Australia/Lord_Howe", "Africa/Casablanca"])
def test_vtimezone_lists_every_offset_change(name: str) -> None:
    begin, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 12, 31, tzinfo=UTC)
    component: Any = render_time_zone(name, begin, end)
    observances = sorted(component.subcomponents, key=lambda each: each["DTSTART"].dt)
    moment = begin
    while moment < end:
        assert _offset_by(observances, moment) == moment.astimezone(get_zone(name)).utcoffset(), moment
        moment += timedelta(hours=1)


def _offset_by(observances: list[Any], moment: datetime) -> timedelta:
    """Return the offset of the last observance with its onset, in the offset before it, by `moment` (RFC 5545)."""
    onset = [(each["DTSTART"].dt - each["TZOFFSETFROM"].td, each["TZOFFSETTO"].td) for each in observances]
    past: list[timedelta] = [offset for begin, offset in onset if begin <= moment.replace(tzinfo=None)]
    first: timedelta = onset[0][1]
    return past[-1] if past else first
