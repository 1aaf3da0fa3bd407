"""The line for a place: whose turn it is when time comes free."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest

from millrace_platform.database import Session
from millrace_scheduling.openings import repository as openings
from millrace_scheduling.openings.repository import Mark
from millrace_scheduling.waitlist import repository
from millrace_scheduling.waitlist.model import OFFER_LIFETIME, PER_PATIENT
from tests.support.waiting import until

from .booking import HALF_PAST_NINE, NINE, Client, key, patient_of, shop, times
from .running import Service

UNKNOWN = "01890a5d-ac96-774b-bcce-000000000000"
DAY = {"from": "2026-11-19", "to": "2026-11-19"}
ONE_HOUR = {"weekly_hours": [{"weekday": "thursday", "opens": "09:00", "closes": "10:00"}]}


async def join(client: Client, place: str, **changes: Any) -> dict[str, Any]:
    body = {"provider_location_id": place, **DAY, **changes}
    joined = await client.post("/v1/waitlist", body)
    assert joined.status_code == 201, joined.text
    entry: dict[str, Any] = joined.json()
    return entry


async def entries(client: Client) -> list[dict[str, Any]]:
    answer = await client.get("/v1/waitlist")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def offer(client: Client) -> dict[str, Any]:
    """What is offered, once it is."""
    found: list[dict[str, Any]] = []

    async def offered() -> bool:
        found[:] = [each["offer"] for each in await entries(client) if each["offer"]]
        return bool(found)

    await until(offered)
    return found[0]


async def full_shop(service: Service) -> tuple[str, list[tuple[Client, dict[str, Any]]]]:
    """A place that is open for an hour, booked out, and told so."""
    place = await shop(service, **ONE_HOUR)
    booked = []
    for start in (NINE, HALF_PAST_NINE):
        patient = patient_of(service)
        booked.append((patient, await patient.book(place, start)))

    await until(lambda: is_told_free(service, place) is False)
    return place, booked


def is_told_free(service: Service, place: str) -> bool | None:
    """Whether the day has openings by the last that was told of the place; None where nothing was."""
    events = [each for each in service.latest("availability").values() if place in each.subject]
    return any(b"2026-11-19" in bytes(each.data) for each in events) if events else None


async def cancel(booked: tuple[Client, dict[str, Any]]) -> None:
    client, appointment = booked
    assert (await client.act(appointment, "cancel", {"reason": "other"})).status_code == 200


async def test_the_first_in_line_gets_what_comes_free(service: Service) -> None:
    place, booked = await full_shop(service)
    ada, bob = patient_of(service), patient_of(service)
    await join(ada, place)
    await join(bob, place)
    await cancel(booked[0])
    offered = await offer(ada)
    assert offered["start"] == "2026-11-19T14:00:00Z"
    assert [each["state"] for each in await entries(bob)] == ["waiting"]
    assert NINE not in await times(service, place)
    assert (await patient_of(service).hold(place, NINE)).status_code == 409
    taken = await ada.post("/v1/appointments", {"hold_id": offered["hold_id"]})
    assert (taken.status_code, taken.json()["start"]) == (201, NINE)
    assert await entries(ada) == []
    await until(lambda: {each.entityversion for each in service.latest("waitlist-offer").values()} == {2})
    (event,) = service.latest("waitlist-offer").values()
    assert b'"state":"taken"' in bytes(event.data)
    assert ada.id.encode() in bytes(event.data)


async def test_when_an_offer_lapses_it_is_the_next_ones(service: Service) -> None:
    place, booked = await full_shop(service)
    ada, bob = patient_of(service), patient_of(service)
    await join(ada, place)
    await join(bob, place)
    await cancel(booked[0])
    hold = (await offer(ada))["hold_id"]
    assert (await ada.post(f"/v1/holds/{hold}/extend")).status_code == 409
    service.clock.now += OFFER_LIFETIME.total_seconds()
    assert (await offer(bob))["start"] == "2026-11-19T14:00:00Z"

    async def waits_again() -> bool:
        return [each["state"] for each in await entries(ada)] == ["waiting"]

    # A hold may be found lapsed a round before its offer is.
    await until(waits_again)
    await cancel(booked[1])
    assert (await offer(ada))["start"] == "2026-11-19T14:30:00Z"


async def test_what_comes_free_while_the_line_is_looked_at_is_the_first_ones(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, booked = await full_shop(service)
    ada, bob = patient_of(service), patient_of(service)
    line: list[str] = []

    async def offered_starts(session: Session, entry_id: UUID) -> frozenset[datetime]:
        # The round has been at the first, and found nothing; now it is at the second.
        if str(entry_id) in line[1:] and len(booked) > 1:
            await cancel(booked.pop())
        return await real(session, entry_id)

    real = repository.offered_starts
    monkeypatch.setattr(repository, "offered_starts", offered_starts)
    line += [(await join(each, place))["id"] for each in (ada, bob)]
    assert (await offer(ada))["start"] == "2026-11-19T14:30:00Z"
    assert len(booked) == 1
    assert [each["state"] for each in await entries(bob)] == ["waiting"]


@pytest.mark.parametrize("how", ["gives the hold up", "leaves the line"])
async def test_what_is_declined_is_the_next_ones(service: Service, how: str) -> None:
    place, booked = await full_shop(service)
    ada, bob = patient_of(service), patient_of(service)
    entry = await join(ada, place)
    await join(bob, place)
    await cancel(booked[0])
    hold = (await offer(ada))["hold_id"]
    path = f"/v1/holds/{hold}" if how == "gives the hold up" else f"/v1/waitlist/{entry['id']}"
    assert (await ada.delete(path)).status_code == 204
    assert (await offer(bob))["start"] == "2026-11-19T14:00:00Z"
    assert len(await entries(ada)) == (1 if how == "gives the hold up" else 0)


async def test_what_is_declined_before_the_openings_know_of_it_is_the_next_ones(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, booked = await full_shop(service)
    ada, bob = patient_of(service), patient_of(service)
    told_free, free_again = asyncio.Event(), asyncio.Event()
    looked_at: set[str] = set()

    async def offered_starts(session: Session, entry_id: UUID) -> frozenset[datetime]:
        looked_at.add(str(entry_id))
        return await real_starts(session, entry_id)

    async def tell(session: Session, changed: Sequence[tuple[UUID, date, bytes | None]]) -> None:
        await real_tell(session, changed)
        told_free.set()

    async def take(session: Session, limit: int) -> list[Mark]:
        # Between the two the openings aren't looked at: they never know that the time was held.
        return await real_take(session, limit) if free_again.is_set() or not told_free.is_set() else []

    real_starts, real_tell, real_take = repository.offered_starts, openings.tell, openings.take
    monkeypatch.setattr(repository, "offered_starts", offered_starts)
    monkeypatch.setattr(openings, "tell", tell)
    monkeypatch.setattr(openings, "take", take)
    first, second = [(await join(each, place))["id"] for each in (ada, bob)]
    await until(lambda: looked_at == {first, second})
    await cancel(booked[0])
    await offer(ada)
    assert (await ada.delete(f"/v1/waitlist/{first}")).status_code == 204
    free_again.set()
    assert (await offer(bob))["start"] == "2026-11-19T14:00:00Z"


async def test_only_what_was_asked_for_is_offered(service: Service) -> None:
    place, booked = await full_shop(service)
    later, video, ada = patient_of(service), patient_of(service), patient_of(service)
    await join(later, place, **{"from": "2026-11-20", "to": "2026-11-20"})
    await join(video, place, mode="video")
    await join(ada, place)
    await cancel(booked[0])
    await offer(ada)
    assert [each["state"] for each in [*await entries(later), *await entries(video)]] == ["waiting"] * 2


async def test_a_line_longer_than_a_round_is_looked_at_to_its_end(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millrace_scheduling.waitlist.offering.AT_ONCE", 2)
    place, booked = await full_shop(service)
    for _ in range(4):
        await join(patient_of(service), place, mode="video")
    last = patient_of(service)
    await join(last, place)
    await cancel(booked[0])
    assert (await offer(last))["start"] == "2026-11-19T14:00:00Z"


async def test_joining_is_bounded_and_checked(service: Service) -> None:
    place, ada = await shop(service), patient_of(service)
    again = {"provider_location_id": place, **DAY}
    same = key()
    first, second = [await ada.post("/v1/waitlist", again, **same) for _ in range(2)]
    assert first.content == second.content
    for _ in range(PER_PATIENT - 1):
        await join(ada, place)
    assert (await ada.post("/v1/waitlist", again)).status_code == 409
    bob = patient_of(service)
    assert (await bob.post("/v1/waitlist", {**again, "provider_location_id": UNKNOWN})).status_code == 404
    for days in ({"to": "2026-11-17"}, {"from": "2026-11-20"}, {"to": "2027-11-19"}):
        wrong = await bob.post("/v1/waitlist", {**again, **days})
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "to")
    entry = (await entries(ada))[0]
    assert (await bob.delete(f"/v1/waitlist/{entry['id']}")).status_code == 404
    assert (entry["from"], entry["to"]) == ("2026-11-19", "2026-11-19")
