"""The waitlist: the order in which patients in line are offered free time."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest

from millrace_feeds.testing import wait_until
from millrace_platform.database import Session
from millrace_scheduling.openings import repository as openings
from millrace_scheduling.openings.repository import DirtyMark
from millrace_scheduling.waitlist import repository
from millrace_scheduling.waitlist.model import ENTRIES_PER_PATIENT, OFFER_LIFETIME

from .booking import HALF_PAST_NINE, NINE, Client, bookable_location, free_starts, key, new_patient
from .running import UNKNOWN, Service

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


async def test_joining_is_limited_and_validated(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    again = {"provider_location_id": location, **DAY}
    same = key()
    first, second = [await ada.post("/v1/waitlist", again, **same) for _ in range(2)]
    assert first.content == second.content
    for _ in range(ENTRIES_PER_PATIENT - 1):
        await join(ada, location)
    assert (await ada.post("/v1/waitlist", again)).status_code == 409
    bob = new_patient(service)
    assert (await bob.post("/v1/waitlist", {**again, "provider_location_id": UNKNOWN})).status_code == 404
    for days in ({"to": "2026-11-17"}, {"from": "2026-11-20"}, {"to": "2027-11-19"}):
        wrong = await bob.post("/v1/waitlist", {**again, **days})
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "to")
    entry = (await entries(ada))[0]
    assert (await bob.delete(f"/v1/waitlist/{entry['id']}")).status_code == 404
    assert (entry["from"], entry["to"]) == ("2026-11-19", "2026-11-19")
