"""The waitlist: the order in which patients in line are offered free time."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from millrace_feeds.testing import wait_until
from millrace_platform.database import Session
from millrace_platform.ids import Uuid7
from millrace_scheduling.hold.model import HOLDS_PER_PATIENT
from millrace_scheduling.openings import repository as openings
from millrace_scheduling.openings.repository import DirtyMark
from millrace_scheduling.patient.model import BookingPermissions
from millrace_scheduling.waitlist import repository
from millrace_scheduling.waitlist.model import ENTRIES_PER_PATIENT, OFFER_LIFETIME
from millrace_scheduling.waitlist.schemas import JoinBody

from .booking import HALF_PAST_NINE, NINE, Client, bookable_location, free_starts, key, new_patient
from .running import ADMIN, CALENDAR, UNKNOWN, Service

DAY = {"from": "2026-11-19", "to": "2026-11-19"}
ONE_HOUR = {"weekly_hours": [{"weekday": "thursday", "opens": "09:00", "closes": "10:00"}]}


async def join(client: Client, location: str, **changes: Any) -> dict[str, Any]:
    body = {"provider_location_id": location, **DAY, **changes}
    joined = await client.post("/v1/waitlist", body)
    assert joined.status_code == 201, joined.text
    entry: dict[str, Any] = joined.json()
    return entry


async def entries(client: Client) -> list[dict[str, Any]]:
    response = await client.get("/v1/waitlist")
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["items"]
    return found


async def offer(client: Client) -> dict[str, Any]:
    """Wait for an offer to the client's patient; return it."""
    found: list[dict[str, Any]] = []

    async def is_offered() -> bool:
        found[:] = [each["offer"] for each in await entries(client) if each["offer"]]
        return bool(found)

    await wait_until(is_offered)
    return found[0]


async def full_location(service: Service) -> tuple[str, list[tuple[Client, dict[str, Any]]]]:
    """Add a provider-location that is open for an hour and booked out; wait until that is published."""
    location = await bookable_location(service, **ONE_HOUR)
    booked = []
    for start in (NINE, HALF_PAST_NINE):
        patient = new_patient(service)
        booked.append((patient, await patient.book(location, start)))

    await wait_until(lambda: is_published_free(service, location) is False)
    return location, booked


def is_published_free(service: Service, location: str) -> bool | None:
    """Return whether the published openings include the day; None if none are published."""
    events = [each for each in service.latest("availability").values() if location in each.subject]
    return any(b"2026-11-19" in bytes(each.data) for each in events) if events else None


async def cancel(booked: tuple[Client, dict[str, Any]]) -> None:
    client, appointment = booked
    assert (await client.act(appointment, "cancel", {"reason": "other"})).status_code == 200


async def test_first_in_line_is_offered_free_time(service: Service) -> None:
    location, booked = await full_location(service)
    ada, bob = new_patient(service), new_patient(service)
    await join(ada, location)
    await join(bob, location)
    await cancel(booked[0])
    offered = await offer(ada)
    assert offered["start"] == NINE
    assert [each["state"] for each in await entries(bob)] == ["waiting"]
    assert NINE not in await free_starts(service, location)
    assert (await new_patient(service).hold(location, NINE)).status_code == 409
    taken = await ada.post("/v1/appointments", {"hold_id": offered["hold_id"]})
    assert (taken.status_code, taken.json()["start"]) == (201, NINE)
    assert await entries(ada) == []
    await wait_until(lambda: {each.entityversion for each in service.latest("waitlist-offer").values()} == {2})
    (event,) = service.latest("waitlist-offer").values()
    assert b'"state":"taken"' in bytes(event.data)
    assert ada.id.encode() in bytes(event.data)


async def test_offer_skips_patients_who_have_another_visit_then(service: Service) -> None:
    location, booked = await full_location(service)
    ada, bob = new_patient(service), new_patient(service)
    await ada.book(await bookable_location(service), NINE)
    await join(ada, location)
    await join(bob, location)
    await cancel(booked[0])
    assert (await offer(bob))["start"] == NINE
    assert [each["state"] for each in await entries(ada)] == ["waiting"]
    await cancel(booked[1])
    assert (await offer(ada))["start"] == HALF_PAST_NINE


async def test_expired_offer_goes_to_the_next_in_line(service: Service) -> None:
    location, booked = await full_location(service)
    ada, bob = new_patient(service), new_patient(service)
    await join(ada, location)
    await join(bob, location)
    await cancel(booked[0])
    hold = (await offer(ada))["hold_id"]
    assert (await ada.post(f"/v1/holds/{hold}/extend")).status_code == 409
    service.clock.now += OFFER_LIFETIME.total_seconds()
    assert (await offer(bob))["start"] == NINE

    async def is_waiting() -> bool:
        return [each["state"] for each in await entries(ada)] == ["waiting"]

    # A hold can be found expired one run before its offer.
    await wait_until(is_waiting)
    await cancel(booked[1])
    assert (await offer(ada))["start"] == HALF_PAST_NINE


async def test_time_freed_during_a_run_goes_to_the_first_in_line(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    location, booked = await full_location(service)
    ada, bob = new_patient(service), new_patient(service)
    line: list[str] = []

    async def list_offered_starts(session: Session, entry_id: UUID) -> frozenset[datetime]:
        # The run has checked the first entry in vain and is at the second one.
        if str(entry_id) in line[1:] and len(booked) > 1:
            await cancel(booked.pop())
        return await real(session, entry_id)

    real = repository.list_offered_starts
    monkeypatch.setattr(repository, "list_offered_starts", list_offered_starts)
    line += [(await join(each, location))["id"] for each in (ada, bob)]
    assert (await offer(ada))["start"] == HALF_PAST_NINE
    assert len(booked) == 1
    assert [each["state"] for each in await entries(bob)] == ["waiting"]


@pytest.mark.parametrize("how", ["releases the hold", "leaves the line"])
async def test_declined_offer_goes_to_the_next_in_line(service: Service, how: str) -> None:
    location, booked = await full_location(service)
    ada, bob = new_patient(service), new_patient(service)
    entry = await join(ada, location)
    await join(bob, location)
    await cancel(booked[0])
    hold = (await offer(ada))["hold_id"]
    path = f"/v1/holds/{hold}" if how == "releases the hold" else f"/v1/waitlist/{entry['id']}"
    assert (await ada.delete(path)).status_code == 204
    assert (await offer(bob))["start"] == NINE
    assert len(await entries(ada)) == (1 if how == "releases the hold" else 0)


async def test_offer_declined_before_openings_are_published_goes_to_the_next_in_line(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    location, booked = await full_location(service)
    ada, bob = new_patient(service), new_patient(service)
    published_free, resume = asyncio.Event(), asyncio.Event()
    checked: set[str] = set()

    async def list_offered_starts(session: Session, entry_id: UUID) -> frozenset[datetime]:
        checked.add(str(entry_id))
        return await real_starts(session, entry_id)

    async def save_weeks(session: Session, changed: Sequence[tuple[UUID, date, bytes | None]]) -> None:
        await real_save_weeks(session, changed)
        published_free.set()

    async def take_marks(session: Session, limit: int) -> list[DirtyMark]:
        # No marks are consumed between the two, so the published openings never show that the time was held.
        return await real_take_marks(session, limit) if resume.is_set() or not published_free.is_set() else []

    real_starts = repository.list_offered_starts
    real_save_weeks, real_take_marks = openings.save_weeks, openings.take_marks
    monkeypatch.setattr(repository, "list_offered_starts", list_offered_starts)
    monkeypatch.setattr(openings, "save_weeks", save_weeks)
    monkeypatch.setattr(openings, "take_marks", take_marks)
    first, second = [(await join(each, location))["id"] for each in (ada, bob)]
    await wait_until(lambda: checked == {first, second})
    await cancel(booked[0])
    await offer(ada)
    assert (await ada.delete(f"/v1/waitlist/{first}")).status_code == 204
    resume.set()
    assert (await offer(bob))["start"] == NINE


async def test_only_requested_visits_are_offered(service: Service) -> None:
    location, booked = await full_location(service)
    later, video, ada = new_patient(service), new_patient(service), new_patient(service)
    await join(later, location, **{"from": "2026-11-20", "to": "2026-11-20"})
    await join(video, location, mode="video")
    await join(ada, location)
    await cancel(booked[0])
    await offer(ada)
    assert [each["state"] for each in [*await entries(later), *await entries(video)]] == ["waiting"] * 2


async def test_line_longer_than_a_run_is_processed_completely(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millrace_scheduling.waitlist.processor.ENTRIES_PER_RUN", 2)
    location, booked = await full_location(service)
    for _ in range(4):
        await join(new_patient(service), location, mode="video")
    last = new_patient(service)
    await join(last, location)
    await cancel(booked[0])
    assert (await offer(last))["start"] == NINE


async def refused_join(client: Client, location: str, **changes: Any) -> dict[str, Any]:
    """Join in vain; return the problem of the 409."""
    response = await client.post("/v1/waitlist", {"provider_location_id": location, **DAY, **changes})
    assert response.status_code == 409, response.text
    problem: dict[str, Any] = response.json()
    return problem


async def active_holds(service: Service, patient: Client) -> int:
    """Return the number of the patient's holds, offers included."""
    count = "SELECT count(*) FROM reservations WHERE patient_id = :id AND NOT is_released AND kind = 'hold'"
    async with service.database.transaction() as session:
        return int((await session.execute(text(count), {"id": patient.id})).scalar_one())


async def wait_until_processed(service: Service) -> None:
    """Wait until all marks are consumed and no entry is due."""
    left = """
    SELECT EXISTS (SELECT FROM dirty_openings) OR EXISTS (SELECT FROM dirty_waitlists)
        OR EXISTS (SELECT FROM waitlist_entries WHERE is_due)
    """

    async def is_processed() -> bool:
        async with service.database.transaction() as session:
            return not (await session.execute(text(left))).scalar_one()

    await wait_until(is_processed)


async def test_free_times_are_listed_instead_of_joining(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    await new_patient(service).hold(location, HALF_PAST_NINE)
    problem = await refused_join(ada, location, to="2026-11-24")
    free = await free_starts(service, location)
    assert (problem["type"], problem["alternatives"]) == ("urn:millrace:problem:times-available", free[:5])
    assert await entries(ada) == []
    for start in problem["alternatives"]:
        assert (await new_patient(service).hold(location, start)).status_code == 201


@pytest.mark.parametrize(
    "wish",
    [
        pytest.param({"mode": "video"}, id="another mode"),
        pytest.param({"from": "2026-11-21", "to": "2026-11-22"}, id="closed days"),
        pytest.param({"from": "2026-12-21", "to": "2026-12-31"}, id="beyond the horizon"),
    ],
)
async def test_free_times_that_do_not_match_are_no_obstacle(service: Service, wish: dict[str, str]) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    await join(ada, location, **wish)
    await wait_until_processed(service)
    assert [each["state"] for each in await entries(ada)] == ["waiting"]


async def test_time_that_the_calendar_adds_is_offered(service: Service) -> None:
    location, ada = await bookable_location(service, **ONE_HOUR), new_patient(service)
    await join(ada, location, **{"from": "2026-11-20", "to": "2026-11-20"})
    calendar = await service.client.get(f"/v1/calendars/{location}", headers=ADMIN)
    headers = {**ADMIN, "If-Match": calendar.headers["ETag"]}
    assert (await service.client.put(f"/v1/calendars/{location}", json=CALENDAR, headers=headers)).status_code == 200
    assert (await offer(ada))["start"] == "2026-11-20T09:00:00-05:00"


async def test_ten_joins_at_once_make_one_entry(service: Service) -> None:
    (location, booked), ada = await full_location(service), new_patient(service)
    body = {"provider_location_id": location, **DAY}
    responses = await asyncio.gather(*(ada.post("/v1/waitlist", body) for _ in range(10)))
    assert sorted(each.status_code for each in responses) == [201, *[409] * 9]
    types = {each.json()["type"] for each in responses if each.status_code == 409}
    assert types == {"urn:millrace:problem:already-waiting"}
    for one in booked:
        await cancel(one)
    await offer(ada)
    await wait_until_processed(service)
    assert await active_holds(service, ada) == 1


async def test_person_waits_once_for_a_day(service: Service) -> None:
    (location, _), ada = await full_location(service), new_patient(service)
    entry = await join(ada, location, **{"from": "2026-11-19", "to": "2026-11-20", "mode": "video"})
    for days in ({"from": "2026-11-20", "to": "2026-11-25"}, {"from": "2026-11-19", "to": "2026-11-30"}, DAY):
        assert (await refused_join(ada, location, **days, mode="video"))["type"].endswith("already-waiting")
    await join(ada, location, **{"from": "2026-11-21", "to": "2026-11-21", "mode": "video"})
    child = uuid4()
    service.patients.permissions[UUID(ada.id)] = BookingPermissions(may_book=True, dependant_ids={child})
    await join(ada, location, dependant_id=str(child), mode="video")
    await join(ada, (await full_location(service))[0])
    await join(new_patient(service), location)
    assert (await ada.delete(f"/v1/waitlist/{entry['id']}")).status_code == 204
    await join(ada, location)


async def test_overlapping_entries_are_refused_by_the_database(service: Service) -> None:
    """Without the lock and the checks of the service."""
    location, patient_id = await bookable_location(service), uuid4()

    async def add(first: date, last: date) -> bool:
        entry = JoinBody(provider_location_id=UUID(location), from_=first, to=last).to_entry(
            Uuid7()(), patient_id, datetime.now(UTC)
        )
        async with service.database.transaction() as session:
            return await repository.add_entry(session, entry)

    days = [(date(2026, 12, 1 + each), date(2026, 12, 10 + each)) for each in range(10)]
    assert sorted(await asyncio.gather(*(add(*each) for each in days))) == [*[False] * 9, True]
    assert await add(date(2026, 12, 20), date(2026, 12, 20))


OTHER_TIMES = [f"2026-11-19T{clock}:00-05:00" for clock in ("11:00", "11:30", "12:00")]
"""A person has no second visit at the time of an offer."""


async def test_offers_count_as_holds(service: Service) -> None:
    (location, booked), ada = await full_location(service), new_patient(service)
    elsewhere = await bookable_location(service)
    for start in OTHER_TIMES[:2]:
        assert (await ada.hold(elsewhere, start)).status_code == 201
    await join(ada, location)
    await cancel(booked[0])
    hold = (await offer(ada))["hold_id"]
    assert (await ada.hold(elsewhere, OTHER_TIMES[2])).status_code == 429
    assert (await ada.delete(f"/v1/holds/{hold}")).status_code == 204
    assert (await ada.hold(elsewhere, OTHER_TIMES[2])).status_code == 201


async def test_patient_at_the_limit_is_passed_over_and_stays_in_line(service: Service) -> None:
    (location, booked), ada, bob = await full_location(service), new_patient(service), new_patient(service)
    elsewhere = await bookable_location(service)
    held = [(await ada.hold(elsewhere, start)).json()["id"] for start in OTHER_TIMES]
    await join(ada, location)
    await join(bob, location)
    await cancel(booked[0])
    assert (await offer(bob))["start"] == NINE
    assert [each["state"] for each in await entries(ada)] == ["waiting"]
    assert (await ada.delete(f"/v1/holds/{held[0]}")).status_code == 204
    await cancel(booked[1])
    assert (await offer(ada))["start"] == HALF_PAST_NINE


async def test_line_waits_for_a_patient_whose_hold_is_being_made(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    (location, booked), ada, bob = await full_location(service), new_patient(service), new_patient(service)
    first, second = [(await join(each, location))["id"] for each in (ada, bob)]
    await wait_until_processed(service)
    checked: list[str] = []

    async def list_offered_starts(session: Session, entry_id: UUID) -> frozenset[datetime]:
        checked.append(str(entry_id))
        return await real(session, entry_id)

    real = repository.list_offered_starts
    monkeypatch.setattr(repository, "list_offered_starts", list_offered_starts)
    async with service.database.transaction() as session:
        # As a hold does until it is committed.
        await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:id, 0))"), {"id": ada.id})
        await cancel(booked[0])
        await wait_until(lambda: len(checked) >= 3)
        assert set(checked) == {first}
    assert (await offer(ada))["start"] == NINE
    await wait_until(lambda: second in checked)
    assert [each["state"] for each in await entries(bob)] == ["waiting"]


async def test_offers_and_holds_at_once_stay_within_the_limit(service: Service) -> None:
    lines, ada = [await full_location(service) for _ in range(4)], new_patient(service)
    elsewhere = await bookable_location(service)
    for location, _ in lines:
        await join(ada, location)
    starts = [f"2026-11-19T{hour}:00:00-05:00" for hour in (10, 11, 12, 13)]
    await asyncio.gather(*(cancel(booked[0]) for _, booked in lines), *(ada.hold(elsewhere, start) for start in starts))
    await wait_until_processed(service)
    assert await active_holds(service, ada) == HOLDS_PER_PATIENT


async def test_joining_is_limited_and_validated(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    wish = {"provider_location_id": location, **DAY, "mode": "video"}
    same = key()
    first, second = [await ada.post("/v1/waitlist", wish, **same) for _ in range(2)]
    assert (first.status_code, first.content) == (201, second.content)
    for day in range(20, 20 + ENTRIES_PER_PATIENT - 1):
        await join(ada, location, **{"from": f"2026-11-{day}", "to": f"2026-11-{day}", "mode": "video"})
    one_more = await refused_join(ada, location, **{"from": "2026-12-01", "to": "2026-12-01", "mode": "video"})
    assert one_more["type"] == "urn:millrace:problem:conflict"
    bob = new_patient(service)
    assert (await bob.post("/v1/waitlist", {**wish, "provider_location_id": UNKNOWN})).status_code == 404
    for days in ({"to": "2026-11-17"}, {"from": "2026-11-20"}, {"to": "2027-11-19"}):
        wrong = await bob.post("/v1/waitlist", {**wish, **days})
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "to")
    entry = (await entries(ada))[0]
    assert (await bob.delete(f"/v1/waitlist/{entry['id']}")).status_code == 404
    assert (entry["from"], entry["to"]) == ("2026-11-19", "2026-11-19")
