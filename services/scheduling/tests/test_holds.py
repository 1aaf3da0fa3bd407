"""Holds through the API."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text, update

from millrace_feeds.testing import wait_until
from millrace_scheduling.hold.model import HOLD_LIFETIME, HOLDS_PER_ADDRESS, HOLDS_PER_PATIENT
from millrace_scheduling.patient.model import BookingPermissions
from millrace_scheduling.reservation.tables import reservations

from .booking import HALF_PAST_NINE, NINE, TEN, Client, bookable_location, free_starts, new_patient, staff_client
from .running import CALENDAR, UNKNOWN, Service

SECONDS = HOLD_LIFETIME.total_seconds()


async def test_hold_expires_after_five_minutes(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    held = await ada.hold(location)
    assert held.status_code == 201, held.text
    body = held.json()
    assert held.headers["Location"] == f"/v1/holds/{body['id']}"
    assert (body["start"], body["end"], body["time_zone"]) == (NINE, HALF_PAST_NINE, "America/New_York")
    assert (body["minutes"], body["visit_type"], body["extendable"]) == (30, "visit", True)
    assert NINE not in await free_starts(service, location)
    assert (await ada.get(held.headers["Location"])).json() == body
    service.clock.now += SECONDS
    assert (await ada.get(held.headers["Location"])).status_code == 404
    assert (await new_patient(service).hold(location)).status_code == 201


async def test_hold_that_is_being_released_is_no_obstacle(service: Service) -> None:
    location = await bookable_location(service)
    hold_id = (await new_patient(service).hold(location)).json()["id"]
    async with service.database.transaction() as session, asyncio.TaskGroup() as group:
        await session.execute(update(reservations).where(reservations.c.id == hold_id).values(is_released=True))
        service.clock.now += SECONDS
        held = group.create_task(new_patient(service).hold(location))
        await wait_until(lambda: is_lock_awaited(service))
        await session.driver.execute("COMMIT")
    assert held.result().status_code == 201


async def is_lock_awaited(service: Service) -> bool:
    """Return whether a statement waits for a lock."""
    async with service.database.read() as session:
        waiting = text("wait_event_type = 'Lock' AND datname = current_database()")
        return bool(await session.scalar(select(func.count()).select_from(text("pg_stat_activity")).where(waiting)))


async def test_taken_time_returns_409_with_the_nearest_alternatives(service: Service) -> None:
    location = await bookable_location(service)
    await new_patient(service).hold(location, TEN)
    late = await new_patient(service).hold(location, TEN)
    assert (late.status_code, late.json()["type"]) == (409, "urn:millrace:problem:slot-taken")
    assert set(late.json()["alternatives"][:2]) == {HALF_PAST_NINE, "2026-11-19T10:30:00-05:00"}
    for start in late.json()["alternatives"]:
        assert (await new_patient(service).hold(location, start)).status_code == 201


@pytest.mark.parametrize(
    "start",
    [
        pytest.param("2026-11-19T08:30:00-05:00", id="before the hours"),
        pytest.param("2026-11-19T09:10:00-05:00", id="off the grid"),
        pytest.param("2026-11-19T09:00:30-05:00", id="within a minute"),
        pytest.param("2026-11-22T09:00:00-05:00", id="a Sunday"),
        pytest.param("2026-11-17T09:00:00-05:00", id="past"),
        pytest.param("2026-12-21T09:00:00-05:00", id="beyond the horizon"),
        pytest.param("2199-12-31T23:59:59+14:00", id="far beyond it"),
    ],
)
async def test_time_outside_the_calendar_is_refused(service: Service, start: str) -> None:
    response = await new_patient(service).hold(await bookable_location(service), start)
    assert (response.status_code, response.json()["type"]) == (409, "urn:millrace:problem:slot-taken")


async def test_start_with_any_utc_offset_is_the_same_time(service: Service) -> None:
    location = await bookable_location(service)
    assert (await new_patient(service).hold(location, "2026-11-19T14:00:00Z")).json()["start"] == NINE
    assert (await new_patient(service).hold(location, "2026-11-19T19:30:00+05:30")).status_code == 409


async def test_invalid_requests_are_refused(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    assert (await ada.hold(UNKNOWN)).status_code == 404
    assert (await ada.hold(await service.add_provider_location())).status_code == 409
    for reason in ("total-nonsense", "Annual-Physical", "x" * 101):
        unknown = await ada.hold(location, visit_reason=reason)
        assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "visit_reason"), reason
    for start in ("2026-11-19T09:00:00", "tomorrow", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        assert (await ada.hold(location, start)).json()["errors"][0]["field"] == "start"
    assert (await staff_client(service).hold(location)).status_code == 403


ACNE_IN_PERSON = {"id": "acne", "name": "Acne", "minutes": 30, "visit_reasons": ["acne"]}
FOLLOW_UP = {"id": "follow", "name": "Follow-up", "minutes": 30, "modes": ["video"], "patients": ["existing"]}


@pytest.mark.parametrize(
    ("visit_types", "request_", "fields"),
    [
        pytest.param(CALENDAR["visit_types"], {"mode": "video"}, ["mode"], id="no reason"),
        pytest.param(CALENDAR["visit_types"], {"mode": "video", "visit_reason": "acne"}, ["mode"], id="any reason"),
        pytest.param([ACNE_IN_PERSON], {"visit_reason": "annual-physical"}, ["visit_reason"], id="wrong reason"),
        pytest.param([FOLLOW_UP], {"mode": "video"}, ["patient"], id="wrong kind of patient"),
        pytest.param([FOLLOW_UP], {}, ["mode", "patient", "visit_reason"], id="several wrong"),
        pytest.param([ACNE_IN_PERSON], {"visit_type": "intake"}, ["visit_type"], id="unknown visit type"),
        pytest.param(
            [ACNE_IN_PERSON, {**FOLLOW_UP, "visit_reasons": ["eczema"]}],
            {"mode": "video", "visit_reason": "acne", "patient": "existing"},
            ["mode", "visit_reason"],
            id="either would do",
        ),
    ],
)
async def test_refusal_names_the_fields_that_no_visit_type_fits(
    service: Service, visit_types: list[Any], request_: dict[str, Any], fields: list[str]
) -> None:
    location = await bookable_location(service, visit_types=visit_types)
    refused = await new_patient(service).hold(location, **request_)
    errors = refused.json()["errors"]
    assert (refused.status_code, [each["field"] for each in errors]) == (422, fields)
    if len(fields) < 3:
        named = [value for value in ("in_person", "existing", "acne", "eczema") if value in errors[0]["remedy"]]
        changed = {**request_, fields[0]: named[0]}
        assert (await new_patient(service).hold(location, **changed)).status_code == 201


async def test_buffers_are_reserved_too(service: Service) -> None:
    visit = {"id": "visit", "name": "Visit", "minutes": 30, "buffer_after": 15}
    location = await bookable_location(service, visit_types=[visit])
    assert (await new_patient(service).hold(location, NINE)).status_code == 201
    assert (await new_patient(service).hold(location, HALF_PAST_NINE)).status_code == 409
    assert (await new_patient(service).hold(location, TEN)).status_code == 201


async def test_provider_is_booked_at_one_location_at_a_time(service: Service) -> None:
    calendar = {**CALENDAR, "visit_types": [{"id": "visit", "name": "Visit", "minutes": 60}]}
    here, there = [await service.add_provider_location(npi="1999999999", calendar=calendar) for _ in range(2)]
    assert (await new_patient(service).hold(here, NINE)).status_code == 201
    assert (await new_patient(service).hold(there, HALF_PAST_NINE)).status_code == 409
    assert (await new_patient(service).hold(there, TEN)).status_code == 201
    assert NINE not in await free_starts(service, there)


def add_dependant(service: Service, client: Client) -> str:
    """Return the id of a new dependant of the client's patient."""
    dependant_id = uuid4()
    service.patients.permissions[UUID(client.id)] = BookingPermissions(may_book=True, dependant_ids=[dependant_id])
    return str(dependant_id)


async def test_own_holds_are_listed(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    later, first = (await ada.hold(location, TEN)).json(), (await ada.hold(location, NINE)).json()
    released = (await ada.hold(location, HALF_PAST_NINE)).json()
    await ada.delete(f"/v1/holds/{released['id']}")
    assert (await ada.get("/v1/holds")).json() == {"items": [first, later]}
    assert (await new_patient(service).get("/v1/holds")).json() == {"items": []}
    await ada.post("/v1/appointments", {"hold_id": first["id"]})
    assert (await ada.get("/v1/holds")).json() == {"items": [later]}
    service.clock.now += SECONDS
    assert (await ada.get("/v1/holds")).json() == {"items": []}
    assert (await staff_client(service).get("/v1/holds")).status_code == 403


async def test_time_held_by_oneself_is_returned(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    held = (await ada.hold(location, NINE)).json()
    for start in (HALF_PAST_NINE, TEN):
        await ada.hold(location, start)
    again = await ada.hold(location, NINE)
    assert (again.status_code, again.json()) == (200, held), "the limit of holds doesn't count"
    other = await ada.hold(location, NINE, visit_reason="acne")
    assert (other.status_code, other.json()["type"]) == (409, "urn:millrace:problem:person-busy")
    assert other.json()["overlap"] == {"kind": "hold", "id": held["id"], "start": NINE, "end": HALF_PAST_NINE}
    for_dependant = await ada.hold(location, NINE, dependant_id=add_dependant(service, ada))
    assert (for_dependant.status_code, for_dependant.json()["overlap"]["id"]) == (409, held["id"])
    service.clock.now += SECONDS
    after_expiry = await ada.hold(location, NINE)
    assert after_expiry.status_code == 201
    assert after_expiry.json()["id"] != held["id"]


async def test_concurrent_requests_for_one_time_return_one_hold(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    responses = await asyncio.gather(*(ada.hold(location) for _ in range(10)))
    assert sorted(response.status_code for response in responses) == [200] * 9 + [201]
    assert len({response.json()["id"] for response in responses}) == 1


HOUR = {"visit_types": [{"id": "visit", "name": "Visit", "minutes": 60, "buffer_after": 30}]}


async def test_person_has_one_visit_at_a_time(service: Service) -> None:
    here, there = [await bookable_location(service, **HOUR) for _ in range(2)]
    ada = new_patient(service)
    booked = await ada.book(here, NINE)
    for start in (NINE, HALF_PAST_NINE):
        refused = await ada.hold(there, start)
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:millrace:problem:person-busy")
        assert refused.json()["overlap"] == {"kind": "appointment", "id": booked["id"], "start": NINE, "end": TEN}
    assert (await ada.hold(there, NINE, dependant_id=add_dependant(service, ada))).status_code == 201
    assert (await new_patient(service).hold(there, "2026-11-19T14:00:00-05:00")).status_code == 201
    assert (await ada.hold(there, "2026-11-19T10:30:00-05:00")).status_code == 201, "buffers are the provider's"
    await ada.act(booked, "cancel", {"reason": "other"})
    elsewhere = await bookable_location(service, **HOUR)
    assert (await ada.hold(elsewhere, HALF_PAST_NINE)).status_code == 201


async def test_expired_hold_elsewhere_is_no_obstacle(service: Service) -> None:
    here, there = [await bookable_location(service) for _ in range(2)]
    ada = new_patient(service)
    await ada.hold(here)
    assert (await ada.hold(there)).status_code == 409
    service.clock.now += SECONDS
    assert (await ada.hold(there)).status_code == 201


async def test_concurrent_holds_of_a_person_at_several_providers(service: Service) -> None:
    locations, ada = [await bookable_location(service) for _ in range(8)], new_patient(service)
    responses = await asyncio.gather(*(ada.hold(each) for each in locations))
    assert sorted(response.status_code for response in responses) == [201] + [409] * 7
    assert len((await ada.get("/v1/holds")).json()["items"]) == 1


async def test_hold_is_extended_once(service: Service) -> None:
    ada = new_patient(service)
    path = f"/v1/holds/{(await ada.hold(await bookable_location(service))).json()['id']}"
    service.clock.now += SECONDS - 60
    extended = await ada.post(f"{path}/extend")
    assert (extended.status_code, extended.json()["extendable"]) == (200, False)
    service.clock.now += SECONDS - 1
    assert (await ada.get(path)).status_code == 200
    assert (await ada.post(f"{path}/extend")).status_code == 409
    service.clock.now += 1
    expired = await ada.post(f"{path}/extend")
    assert (expired.status_code, expired.json()["type"]) == (409, "urn:millrace:problem:hold-lapsed")


async def test_released_time_is_free_at_once(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    path = f"/v1/holds/{(await ada.hold(location)).json()['id']}"
    assert (await ada.delete(path)).status_code == 204
    assert (await ada.delete(path)).status_code == 204
    assert NINE in await free_starts(service, location)
    assert (await new_patient(service).hold(location)).status_code == 201


async def test_hold_of_others_returns_404(service: Service) -> None:
    path = f"/v1/holds/{(await new_patient(service).hold(await bookable_location(service))).json()['id']}"
    eve = new_patient(service)
    assert (await eve.get(path)).status_code == 404
    assert (await eve.post(f"{path}/extend")).status_code == 404
    assert (await eve.delete(path)).status_code == 404
    assert (await eve.post("/v1/appointments", {"hold_id": path.rpartition("/")[2]})).status_code == 404


STARTS = [f"2026-11-{day}T{hour:02}:00:00-05:00" for day in (19, 20, 23) for hour in range(9, 17)]


async def test_concurrent_holds_of_a_patient_are_limited(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    responses = await asyncio.gather(*(ada.hold(location, start) for start in STARTS[:12]))
    assert sorted(response.status_code for response in responses) == [201] * HOLDS_PER_PATIENT + [429] * (
        12 - HOLDS_PER_PATIENT
    )
    refused = next(response for response in responses if response.status_code == 429)
    assert 1 <= int(refused.headers["Retry-After"]) <= SECONDS
    service.clock.now += SECONDS
    assert (await ada.hold(location, STARTS[20])).status_code == 201


async def test_holds_of_an_address_are_limited(service: Service) -> None:
    location = await bookable_location(service)
    crowd = [Client(service, new_patient(service).headers, address="203.0.113.9") for _ in range(HOLDS_PER_ADDRESS + 1)]
    outcomes = [(await each.hold(location, start)).status_code for each, start in zip(crowd, STARTS, strict=False)]
    assert outcomes == [201] * HOLDS_PER_ADDRESS + [429]
    other_address = new_patient(service)
    assert (await other_address.hold(location, STARTS[-1])).status_code == 201


async def test_address_is_stored_hashed_and_only_while_a_hold_is_active(service: Service) -> None:
    location = await bookable_location(service)
    ada, bob = (Client(service, new_patient(service).headers, address="203.0.113.9") for _ in range(2))
    await ada.book(location, NINE)
    await bob.hold(location, TEN)
    query = select(reservations.c.kind, reservations.c.address_hash).order_by(reservations.c.start)
    async with service.database.read() as session:
        (booked, none), (held, hidden) = await session.execute(query)
    assert (booked, none, held) == ("appointment", None, "hold")
    assert len(hidden) == 16
    service.clock.now += SECONDS

    async def is_deleted() -> bool:
        async with service.database.read() as session:
            return bool(await session.scalar(select(func.count(reservations.c.address_hash))) == 0)

    await wait_until(is_deleted)


async def test_cleanup_publishes_expired_time_as_free(service: Service) -> None:
    location = await bookable_location(service)
    await new_patient(service).hold(location, NINE)

    def is_published_free() -> bool:
        published = [bytes(each.data).decode() for each in service.latest("availability").values()]
        return any(NINE in text for text in published)

    await wait_until(lambda: bool(service.latest("availability")) and not is_published_free())
    service.clock.now += SECONDS
    await wait_until(is_published_free)


async def test_repeated_request_creates_one_hold(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    responses = [await ada.hold(location, idempotency_key="again") for _ in range(3)]
    assert {response.content for response in responses} == {responses[0].content}
    assert {response.status_code for response in responses} == {201}
    other = await ada.hold(location, TEN, idempotency_key="again")
    assert (other.status_code, other.json()["type"]) == (422, "urn:millrace:problem:idempotency-key-reused")


AFTERNOON = {
    "weekly_hours": [{"weekday": "thursday", "opens": "13:00", "closes": "16:00"}],
    "visit_types": [
        {"id": "intake", "name": "Intake", "minutes": 45},
        {"id": "follow-up", "name": "Follow-up", "minutes": 15},
    ],
    "grid_minutes": 15,
}


async def booked_afternoon(service: Service) -> str:
    """Add a provider-location open from one to four and booked from 13:45 until 15:45; return its id."""
    location = await bookable_location(service, **AFTERNOON)
    for start in ("13:45", "14:30"):
        await new_patient(service).book(location, at(start), visit_type="intake")
    for start in ("15:15", "15:30"):
        await new_patient(service).book(location, at(start), visit_type="follow-up")
    return location


def at(clock: str) -> str:
    return f"2026-11-19T{clock}:00-05:00"


async def test_time_is_held_as_the_visit_that_is_listed(service: Service) -> None:
    location = await booked_afternoon(service)
    query = {"provider_location": location, "from": "2026-11-19", "to": "2026-11-19"}
    response = await service.client.get("/v1/availability", params=query)
    listed = response.json()["provider_locations"][0]["openings"]
    assert {each["start"]: each["visit_type"] for each in listed} == {
        at("13:00"): "intake",
        at("13:15"): "follow-up",
        at("13:30"): "follow-up",
        at("15:45"): "follow-up",
    }
    held = await new_patient(service).hold(location, at("13:30"))
    assert (held.status_code, held.json()["visit_type"], held.json()["minutes"]) == (201, "follow-up", 15)


async def test_named_visit_type_is_held_or_refused(service: Service) -> None:
    location = await booked_afternoon(service)
    refused = await new_patient(service).hold(location, at("13:15"), visit_type="intake")
    assert (refused.status_code, refused.json()["reasons"]) == (409, ["booked"])
    assert refused.json()["alternatives"][0] == at("13:00")
    held = await new_patient(service).hold(location, at("13:00"), visit_type="follow-up")
    assert (held.status_code, held.json()["minutes"]) == (201, 15)


async def test_rescheduled_visit_keeps_its_type(service: Service) -> None:
    location, ada = await booked_afternoon(service), new_patient(service)
    intake = await ada.book(location, at("13:00"))
    refused = await ada.act(intake, "reschedule", {"start": at("15:45")})
    assert (refused.status_code, refused.json()["reasons"]) == (409, ["too_short"])
    next_week = "2026-11-26T13:00:00-05:00"
    moved = await ada.act(intake, "reschedule", {"start": next_week})
    assert (moved.status_code, moved.json()["visit_type"], moved.json()["minutes"]) == (200, "intake", 45)
