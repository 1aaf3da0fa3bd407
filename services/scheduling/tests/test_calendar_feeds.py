"""Appointments in calendar programs."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar

from millrace_scheduling.calendar_feed.document import time_zone
from millrace_scheduling.slot.zones import get_zone

from .booking import HALF_PAST_NINE, NINE, TEN, Client, bookable_location, new_patient, staff_client
from .running import PRACTICE, Service, bearer

UNKNOWN = "01890a5d-ac96-774b-bcce-000000000000"


CALENDAR_OF_THURSDAY = {
    "weekly_hours": [{"weekday": "thursday", "opens": "09:00", "closes": "17:00"}],
    "visit_types": [{"id": "visit", "name": "Visit", "minutes": 30}],
}


def events_of(text: str) -> list[Any]:
    return list(Calendar.from_ical(text).walk("VEVENT"))


async def read(service: Service, path: str) -> list[Any]:
    """As a calendar program reads it: without a token."""
    answer = await service.client.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/calendar; charset=utf-8")
    return events_of(answer.text)


async def feed(client: Client, **body: str) -> tuple[str, str]:
    made = await client.post("/v1/appointments/feeds", body)
    assert made.status_code == 201, made.text
    return made.json()["feed"]["id"], made.json()["path"]


async def test_an_appointment_keeps_its_uid_and_its_sequence_rises(service: Service) -> None:
    ada = new_patient(service)
    appointment = await ada.book(await bookable_location(service), visit_reason="annual-physical")
    path = f"/v1/appointments/{appointment['id']}/calendar.ics"
    answer = await ada.get(path)
    (first,) = events_of(answer.text)
    assert (first["SEQUENCE"], str(first["STATUS"]), str(first["SUMMARY"])) == (
        0,
        "CONFIRMED",
        "Appointment: annual physical",
    )
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


async def test_a_patients_feed_shows_the_patients_own(service: Service) -> None:
    place, ada = await bookable_location(service), new_patient(service)
    await ada.book(place, NINE)
    cancelled = await ada.book(place, TEN)
    await ada.act(cancelled, "cancel", {"reason": "other"})
    await new_patient(service).book(place, HALF_PAST_NINE)
    _, path = await feed(ada)
    assert [str(each["STATUS"]) for each in await read(service, path)] == ["CONFIRMED", "CANCELLED"]


async def test_feeds_of_a_place_and_of_a_provider_are_for_its_staff(service: Service) -> None:
    here = await service.place(npi="1888888888", calendar=CALENDAR_OF_THURSDAY)
    elsewhere = await service.place(npi="1888888888", practice=UNKNOWN, calendar=CALENDAR_OF_THURSDAY)
    for place, start in ((here, NINE), (elsewhere, TEN)):
        await new_patient(service).book(place, start)
    staff = staff_client(service)
    _, of_place = await feed(staff, provider_location_id=here)
    _, of_provider = await feed(staff, npi="1888888888")
    assert len(await read(service, of_place)) == len(await read(service, of_provider)) == 1
    for other in (Client(service, bearer("staff", UNKNOWN)), new_patient(service)):
        answer = await other.post("/v1/appointments/feeds", {"provider_location_id": here})
        assert answer.status_code == 404
    assert (await staff.post("/v1/appointments/feeds", {"npi": "1777777777"})).status_code == 404
    assert (await staff.post("/v1/appointments/feeds", {})).status_code == 403


async def test_an_address_is_secret_and_can_be_revoked(service: Service) -> None:
    ada, eve = new_patient(service), new_patient(service)
    identifier, path = await feed(ada)
    _, other = await feed(ada)
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
def test_a_time_zone_says_every_change(name: str) -> None:
    begin, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 12, 31, tzinfo=UTC)
    component: Any = time_zone(name, begin, end)
    observances = sorted(component.subcomponents, key=lambda each: each["DTSTART"].dt)
    moment = begin
    while moment < end:
        assert _offset_by(observances, moment) == moment.astimezone(get_zone(name)).utcoffset(), moment
        moment += timedelta(hours=1)


def _offset_by(observances: list[Any], moment: datetime) -> timedelta:
    """As RFC 5545 says: the last observance whose onset, by the offset before it, lies before the moment."""
    onset = [(each["DTSTART"].dt - each["TZOFFSETFROM"].td, each["TZOFFSETTO"].td) for each in observances]
    passed: list[timedelta] = [offset for begin, offset in onset if begin <= moment.replace(tzinfo=None)]
    first: timedelta = onset[0][1]
    return passed[-1] if passed else first
