"""Appointments in iCalendar format and calendar feeds."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from icalendar import Calendar

from millrace_contracts.entities import Provider
from millrace_contracts.registry import PROVIDER
from millrace_feeds.testing import wait_until
from millrace_platform.unit_of_work import Event
from millrace_scheduling.appointment.model import Appointment, State
from millrace_scheduling.calendar_feed.document import render_document, render_time_zone
from millrace_scheduling.calendar_feed.model import Reader
from millrace_scheduling.reservation.model import Visit
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
    appointment = await ada.book(await bookable_location(service))
    path = f"/v1/appointments/{appointment['id']}/calendar.ics"
    response = await ada.get(path)
    (first,) = events_of(response.text)
    assert (first["SEQUENCE"], str(first["STATUS"])) == (0, "CONFIRMED")
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


INTIMATE = {"visit_reason": "sti-testing"}
EVERY_VISIT = {"visit_types": [{"id": "talk", "name": "A talk", "minutes": 30, "modes": ["in_person", "video"]}]}


async def publish_provider(service: Service, npi: str, display_name: str) -> None:
    entity = Provider(npi=npi, last_name="Jones", first_name="Eric", taxonomy="207Q00000X", display_name=display_name)
    await service.publish(Event.of_entity(PROVIDER, entity, action="updated", version=1))


async def summaries(service: Service, path: str) -> list[str]:
    return [str(each["SUMMARY"]) for each in await read_feed(service, path)]


async def test_patient_reads_with_whom_and_where_but_not_why(service: Service) -> None:
    location = await service.add_provider_location(npi="1444444444", calendar={**CALENDAR, **EVERY_VISIT})
    ada = new_patient(service)
    booked = await ada.book(location, NINE, **INTIMATE)
    await ada.book(location, TEN, mode="video", **INTIMATE)
    _, path = await create_feed(ada)
    assert await summaries(service, path) == ["Appointment", "Appointment (video)"]
    await publish_provider(service, "1444444444", "Eric Jones, DO")

    async def is_named() -> bool:
        return await summaries(service, path) == [
            "Appointment with Eric Jones, DO",
            "Appointment with Eric Jones, DO (video)",
        ]

    await wait_until(is_named)
    in_person, video = await read_feed(service, path)
    assert str(in_person["LOCATION"]) == "1 Main St, New York, NY 10001"
    assert "LOCATION" not in video
    assert str(in_person["URL"]) == f"http://127.0.0.1:8080/appointments/{booked['id']}"
    alone = (await ada.get(f"/v1/appointments/{booked['id']}/calendar.ics")).text
    assert "Appointment with Eric Jones" in alone
    for text in ((await service.client.get(path)).text, alone):
        assert "testing" not in text.lower()


async def test_staff_read_the_visit_type(service: Service) -> None:
    location = await service.add_provider_location(npi="1444444444", calendar={**CALENDAR, **EVERY_VISIT})
    booked = await new_patient(service).book(location, NINE, **INTIMATE)
    staff = staff_client(service)
    for owner in ({"provider_location_id": location}, {"npi": "1444444444"}):
        _, path = await create_feed(staff, **owner)
        assert await summaries(service, path) == ["A talk"]
        assert "testing" not in (await service.client.get(path)).text.lower()
    assert "SUMMARY:A talk" in (await staff.get(f"/v1/appointments/{booked['id']}/calendar.ics")).text


async def test_feed_has_validators(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    _, path = await create_feed(ada)
    empty = await service.client.get(path)
    service.clock.now += 5
    appointment = await ada.book(location)
    full = await service.client.get(path)
    assert full.headers["ETag"] != empty.headers["ETag"]
    assert (empty.headers["Last-Modified"], full.headers["Last-Modified"]) == (
        "Wed, 18 Nov 2026 11:06:40 GMT",
        "Wed, 18 Nov 2026 11:06:45 GMT",
    )

    async def status(**headers: str) -> int:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        response = await service.client.get(path, headers=sent)
        assert response.headers["ETag"]
        assert bool(response.content) == (response.status_code == 200)
        return response.status_code

    assert await status(If_None_Match=full.headers["ETag"]) == 304
    assert await status(If_None_Match=f"W/{full.headers['ETag']}") == 304
    assert await status(If_None_Match=empty.headers["ETag"]) == 200
    assert await status(If_Modified_Since=full.headers["Last-Modified"]) == 304
    assert await status(If_Modified_Since=empty.headers["Last-Modified"]) == 200
    assert await status(If_Modified_Since="yesterday") == 200
    both = {"If_None_Match": empty.headers["ETag"], "If_Modified_Since": full.headers["Last-Modified"]}
    assert await status(**both) == 200
    service.clock.now += 5
    await ada.act(appointment, "confirm")
    assert await status(If_None_Match=full.headers["ETag"]) == 200
    assert await status(If_Modified_Since=full.headers["Last-Modified"]) == 200


@given(
    st.sampled_from(["America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Phoenix"]),
    st.integers(0, 2 * 365 * 1440).map(lambda minute: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)),
    st.integers(5, 720),
)
@example("America/New_York", datetime(2026, 11, 1, 5, 30, tzinfo=UTC), 60)
@example("America/New_York", datetime(2026, 11, 1, 5, 30, tzinfo=UTC), 30)
@example("America/New_York", datetime(2026, 11, 1, 6, 0, tzinfo=UTC), 30)
@example("Australia/Lord_Howe", datetime(2026, 4, 4, 14, 45, tzinfo=UTC), 15)
def test_texts_of_times_name_one_instant(zone: str, start: datetime, minutes: int) -> None:
    visit = Visit(UUID(int=1), "1444444444", None, zone, start, minutes, "visit", None, "in_person", "new")
    appointment = Appointment(UUID(int=2), 1, State.BOOKED, UUID(int=2), UUID(int=3), None, visit, start, start)
    document = render_document([appointment], {}, Reader.PATIENT, "https://millrace.example")
    (event,) = events_of(document.decode())
    for name, expected in (("DTSTART", start), ("DTEND", visit.end)):
        text = event[name].to_ical().decode()
        local = datetime.strptime(text.removesuffix("Z"), "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        readings = (
            {local}
            if text.endswith("Z")
            else {local.replace(tzinfo=get_zone(zone), fold=fold).astimezone(UTC) for fold in (0, 1)}
        )
        assert readings == {expected}, text


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
