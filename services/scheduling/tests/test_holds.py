"""Holding times, as patients see it."""

import asyncio

import pytest
from sqlalchemy import func, select, text, update

from millrace_scheduling.claim.tables import claims
from millrace_scheduling.hold.model import LIFETIME, PER_ADDRESS, PER_PATIENT
from tests.support.waiting import until

from .booking import HALF_PAST_NINE, NINE, TEN, Client, patient_of, shop, staff_of, times
from .running import Service

UNKNOWN = "01890a5d-ac96-774b-bcce-000000000000"
SECONDS = LIFETIME.total_seconds()


async def test_a_hold_keeps_the_time_for_five_minutes(service: Service) -> None:
    place, ada = await shop(service), patient_of(service)
    held = await ada.hold(place)
    assert held.status_code == 201, held.text
    body = held.json()
    assert held.headers["Location"] == f"/v1/holds/{body['id']}"
    assert (body["start"], body["end"], body["time_zone"]) == (NINE, HALF_PAST_NINE, "America/New_York")
    assert (body["minutes"], body["visit_type"], body["extendable"]) == (30, "visit", True)
    assert NINE not in await times(service, place)
    assert (await ada.get(held.headers["Location"])).json() == body
    service.clock.now += SECONDS
    assert (await ada.get(held.headers["Location"])).status_code == 404
    assert (await patient_of(service).hold(place)).status_code == 201


async def test_a_hold_that_is_just_being_ended_is_no_obstacle(service: Service) -> None:
    place = await shop(service)
    hold_id = (await patient_of(service).hold(place)).json()["id"]
    async with service.database.transaction() as session, asyncio.TaskGroup() as group:
        await session.execute(update(claims).where(claims.c.id == hold_id).values(live=False))
        service.clock.now += SECONDS
        held = group.create_task(patient_of(service).hold(place))
        await until(lambda: waits(service))
        await session.driver.execute("COMMIT")
    assert held.result().status_code == 201


async def waits(service: Service) -> bool:
    """Whether somebody waits for a row that another has locked."""
    async with service.database.read() as session:
        waiting = text("wait_event_type = 'Lock' AND datname = current_database()")
        return bool(await session.scalar(select(func.count()).select_from(text("pg_stat_activity")).where(waiting)))


async def test_a_time_that_is_taken_is_a_409_with_the_nearest_others(service: Service) -> None:
    place = await shop(service)
    await patient_of(service).hold(place, TEN)
    late = await patient_of(service).hold(place, TEN)
    assert (late.status_code, late.json()["type"]) == (409, "urn:millrace:problem:slot-taken")
    assert set(late.json()["alternatives"][:2]) == {HALF_PAST_NINE, "2026-11-19T10:30:00-05:00"}
    for start in late.json()["alternatives"]:
        assert (await patient_of(service).hold(place, start)).status_code == 201


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
async def test_what_the_calendar_doesnt_offer_cant_be_held(service: Service, start: str) -> None:
    answer = await patient_of(service).hold(await shop(service), start)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:millrace:problem:slot-taken")


async def test_any_offset_names_the_same_time(service: Service) -> None:
    place = await shop(service)
    assert (await patient_of(service).hold(place, "2026-11-19T14:00:00Z")).json()["start"] == NINE
    assert (await patient_of(service).hold(place, "2026-11-19T19:30:00+05:30")).status_code == 409


async def test_wrong_requests_are_named(service: Service) -> None:
    place, ada = await shop(service), patient_of(service)
    assert (await ada.hold(UNKNOWN)).status_code == 404
    assert (await ada.hold(await service.place())).status_code == 409
    video = await ada.hold(place, mode="video")
    assert (video.status_code, video.json()["errors"][0]["field"]) == (422, "visit_reason")
    for start in ("2026-11-19T09:00:00", "tomorrow", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        assert (await ada.hold(place, start)).json()["errors"][0]["field"] == "start"
    assert (await staff_of(service).hold(place)).status_code == 403


async def test_buffers_keep_their_distance(service: Service) -> None:
    visit = {"id": "visit", "name": "Visit", "minutes": 30, "buffer_after": 15}
    place = await shop(service, visit_types=[visit])
    assert (await patient_of(service).hold(place, NINE)).status_code == 201
    assert (await patient_of(service).hold(place, HALF_PAST_NINE)).status_code == 409
    assert (await patient_of(service).hold(place, TEN)).status_code == 201


async def test_a_provider_isnt_in_two_places_at_once(service: Service) -> None:
    visit = {"id": "visit", "name": "Visit", "minutes": 60}
    here = await service.place(npi="1999999999", calendar={"weekly_hours": HOURS, "visit_types": [visit]})
    there = await service.place(npi="1999999999", calendar={"weekly_hours": HOURS, "visit_types": [visit]})
    assert (await patient_of(service).hold(here, NINE)).status_code == 201
    assert (await patient_of(service).hold(there, HALF_PAST_NINE)).status_code == 409
    assert (await patient_of(service).hold(there, TEN)).status_code == 201
    assert NINE not in await times(service, there)


HOURS = [{"weekday": "thursday", "opens": "09:00", "closes": "17:00"}]


async def test_it_is_extended_once(service: Service) -> None:
    ada = patient_of(service)
    path = f"/v1/holds/{(await ada.hold(await shop(service))).json()['id']}"
    service.clock.now += SECONDS - 60
    extended = await ada.post(f"{path}/extend")
    assert (extended.status_code, extended.json()["extendable"]) == (200, False)
    service.clock.now += SECONDS - 1
    assert (await ada.get(path)).status_code == 200
    assert (await ada.post(f"{path}/extend")).status_code == 409
    service.clock.now += 1
    lapsed = await ada.post(f"{path}/extend")
    assert (lapsed.status_code, lapsed.json()["type"]) == (409, "urn:millrace:problem:hold-lapsed")


async def test_what_is_given_up_is_free_at_once(service: Service) -> None:
    place, ada = await shop(service), patient_of(service)
    path = f"/v1/holds/{(await ada.hold(place)).json()['id']}"
    assert (await ada.delete(path)).status_code == 204
    assert (await ada.delete(path)).status_code == 204
    assert NINE in await times(service, place)
    assert (await patient_of(service).hold(place)).status_code == 201


async def test_to_others_there_is_no_hold(service: Service) -> None:
    path = f"/v1/holds/{(await patient_of(service).hold(await shop(service))).json()['id']}"
    eve = patient_of(service)
    assert (await eve.get(path)).status_code == 404
    assert (await eve.post(f"{path}/extend")).status_code == 404
    assert (await eve.delete(path)).status_code == 404
    assert (await eve.post("/v1/appointments", {"hold_id": path.rpartition("/")[2]})).status_code == 404


STARTS = [f"2026-11-{day}T{hour:02}:00:00-05:00" for day in (19, 20, 23) for hour in range(9, 17)]


async def test_a_patient_holds_few_times_even_all_at_once(service: Service) -> None:
    place, ada = await shop(service), patient_of(service)
    answers = await asyncio.gather(*(ada.hold(place, start) for start in STARTS[:12]))
    assert sorted(answer.status_code for answer in answers) == [201] * PER_PATIENT + [429] * (12 - PER_PATIENT)
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert 1 <= int(refused.headers["Retry-After"]) <= SECONDS
    service.clock.now += SECONDS
    assert (await ada.hold(place, STARTS[20])).status_code == 201


async def test_an_address_holds_some_times_whoever_asks(service: Service) -> None:
    place = await shop(service)
    crowd = [Client(service, patient_of(service).headers, address="203.0.113.9") for _ in range(PER_ADDRESS + 1)]
    outcomes = [(await each.hold(place, start)).status_code for each, start in zip(crowd, STARTS, strict=False)]
    assert outcomes == [201] * PER_ADDRESS + [429]
    elsewhere = patient_of(service)
    assert (await elsewhere.hold(place, STARTS[-1])).status_code == 201


async def test_addresses_are_kept_hidden_and_only_while_a_hold_runs(service: Service) -> None:
    place = await shop(service)
    ada, bob = (Client(service, patient_of(service).headers, address="203.0.113.9") for _ in range(2))
    await ada.book(place, NINE)
    await bob.hold(place, TEN)
    query = select(claims.c.kind, claims.c.address).order_by(claims.c.start)
    async with service.database.read() as session:
        (booked, none), (held, hidden) = await session.execute(query)
    assert (booked, none, held) == ("appointment", None, "hold")
    assert len(hidden) == 16
    service.clock.now += SECONDS

    async def forgotten() -> bool:
        async with service.database.read() as session:
            return bool(await session.scalar(select(func.count(claims.c.address))) == 0)

    await until(forgotten)


async def test_the_sweeper_tells_that_a_lapsed_time_is_free(service: Service) -> None:
    place = await shop(service)
    await patient_of(service).hold(place, NINE)

    def offered() -> bool:
        told = [bytes(each.data).decode() for each in service.latest("availability").values()]
        return any(NINE in text for text in told)

    await until(lambda: bool(service.latest("availability")) and not offered())
    service.clock.now += SECONDS
    await until(offered)


async def test_a_hold_that_is_repeated_is_one_hold(service: Service) -> None:
    place, ada = await shop(service), patient_of(service)
    answers = [await ada.hold(place, idempotency_key="again") for _ in range(3)]
    assert {answer.content for answer in answers} == {answers[0].content}
    assert {answer.status_code for answer in answers} == {201}
    other = await ada.hold(place, TEN, idempotency_key="again")
    assert (other.status_code, other.json()["type"]) == (422, "urn:millrace:problem:idempotency-key-reused")
    missing = await service.client.post("/v1/holds", json={}, headers=ada.headers)
    assert missing.status_code in {400, 422}
