"""Openings as the feed and the stream tell of them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest
import uvicorn

from millrace_contracts.entities import Availability
from millrace_contracts.envelope import Envelope
from millrace_contracts.registry import PROVIDER_LOCATION, entity_of
from millrace_feeds.testing import ends_when_cancelled, wait_until
from millrace_platform.errors import Unavailable
from millrace_platform.unit_of_work import Event, UnitOfWork, UnitsOfWork
from millrace_scheduling.openings.service import OpeningsPublisher

from .running import ADMIN, CALENDAR, Service, running, settings_for
from .test_availability import claim, starts


def weeks(service: Service) -> dict[str, Envelope]:
    return {subject.rpartition("/")[2]: last for subject, last in service.latest("availability").items()}


def entity(envelope: Envelope) -> Availability:
    found = entity_of(envelope)
    assert isinstance(found, Availability)
    return found


async def test_each_week_is_told_whole(service: Service) -> None:
    place = await service.place(npi="1234567893", calendar=CALENDAR)
    await wait_until(lambda: len(weeks(service)) == 3)
    told = weeks(service)
    assert sorted(told) == ["2026-W47", "2026-W48", "2026-W49"]
    assert {each.subject.rpartition("/")[0] for each in told.values()} == {f"availability/1234567893/{place}"}
    found = [opening for week in sorted(told) for opening in entity(told[week]).openings]
    assert [each.start for each in found] == await starts(service, place, to="2026-12-18")
    assert {(each.minutes, each.modes, each.patients) for each in found} == {(30, ("in_person",), ("existing", "new"))}
    assert {each.entityversion for each in told.values()} == {1}


async def test_only_what_differs_is_told(service: Service) -> None:
    place = await service.place(calendar=CALENDAR)
    await wait_until(lambda: len(weeks(service)) == 3)
    await claim(service, place, "2026-11-25T09:00:00-05:00", 30)
    await mark(service, place)
    await wait_until(lambda: len(service.published()) == 4)
    last = service.published()[-1]
    assert (last.subject.rpartition("/")[2], last.entityversion) == ("2026-W48", 2)
    assert "2026-11-25T09:00:00-05:00" not in [each.start for each in entity(last).openings]


async def mark(service: Service, place: str) -> None:
    """Have the openings looked at again, as a booking has; here it is a change of the calendar that changes no time."""
    changed = await service.client.get(f"/v1/calendars/{place}", headers=ADMIN)
    body = {**changed.json(), "cancellation_cutoff": changed.json()["cancellation_cutoff"] + 1}
    headers = {**ADMIN, "If-Match": changed.headers["ETag"]}
    assert (await service.client.put(f"/v1/calendars/{place}", json=body, headers=headers)).status_code == 200


async def test_changes_at_once_rise_by_one_version_each_time_they_are_told(service: Service) -> None:
    place = await service.place(calendar=CALENDAR)
    await wait_until(lambda: len(weeks(service)) == 3)
    for hour in range(9, 17):
        await claim(service, place, f"2026-11-25T{hour:02}:00:00-05:00", 30)
        await mark(service, place)
    await wait_until(lambda: len(entity(weeks(service)["2026-W48"]).openings) == 5 * 16 - 8)
    versions = [each.entityversion for each in service.published() if each.subject.endswith("W48")]
    assert versions == list(range(1, len(versions) + 1))


async def test_a_deleted_calendar_takes_its_weeks_back(service: Service) -> None:
    place = await service.place(calendar=CALENDAR)
    await wait_until(lambda: len(weeks(service)) == 3)
    await service.client.delete(f"/v1/calendars/{place}", headers={**ADMIN, "If-Match": '"1"'})
    await wait_until(lambda: all(each.deleted for each in weeks(service).values()))
    await service.client.put(f"/v1/calendars/{place}", json=CALENDAR, headers=ADMIN)
    await wait_until(lambda: [each.entityversion for each in weeks(service).values()] == [3, 3, 3])


async def test_a_place_that_is_gone_has_no_openings(service: Service) -> None:
    place = await service.place(npi="1234567893", calendar=CALENDAR)
    await wait_until(lambda: len(weeks(service)) == 3)
    await service.tell(Event.of_deletion(PROVIDER_LOCATION, "1234567893", place, version=2))
    await wait_until(lambda: all(each.deleted for each in weeks(service).values()))
    assert (await service.client.get(f"/v1/calendars/{place}", headers=ADMIN)).status_code == 404


class TestTime:
    async def test_the_slots_follow_the_horizon(self, service: Service) -> None:
        place = await service.place(calendar=CALENDAR)
        await wait_until(lambda: len(weeks(service)) == 3)
        assert (await starts(service, place, to="2026-12-18"))[-1] == "2026-12-01T16:30:00-05:00"
        service.clock.now += 2 * 86_400
        assert await upkeep(service, "extension").once() == 1
        assert await upkeep(service, "extension").once() == 0
        assert (await starts(service, place, to="2026-12-18"))[-1] == "2026-12-03T16:30:00-05:00"
        await wait_until(lambda: entity(weeks(service)["2026-W49"]).openings[-1].start == "2026-12-03T16:30:00-05:00")

    async def test_what_has_passed_is_no_opening(self, service: Service) -> None:
        await service.place(calendar={**CALENDAR, "minimum_notice": 60})
        await wait_until(lambda: len(weeks(service)) == 3)
        service.clock.now += 4 * 3600
        await upkeep(service, "aging").once()
        await wait_until(lambda: entity(weeks(service)["2026-W47"]).openings[0].start == "2026-11-18T11:30:00-05:00")

    async def test_a_week_that_is_over_is_withdrawn(self, service: Service) -> None:
        await service.place(calendar=CALENDAR)
        await wait_until(lambda: len(weeks(service)) == 3)
        service.clock.now += 8 * 86_400
        await upkeep(service, "aging").once()
        await wait_until(lambda: weeks(service)["2026-W47"].deleted)
        assert not weeks(service)["2026-W48"].deleted


def upkeep(service: Service, name: str) -> Any:
    return getattr(service.app.state.scheduling, name)


async def test_a_replay_tells_everything_again_under_its_version(service: Service) -> None:
    await service.place(calendar=CALENDAR)
    await service.place(calendar=CALENDAR)
    await wait_until(lambda: len(service.published()) == 6)
    count, after = 0, ""
    while True:
        answer = (await service.client.post(f"/internal/scheduling/replay?limit=4{after}")).json()
        count += answer["count"]
        if answer["next"] is None:
            break
        after = f"&after={answer['next']}"
    assert count == 6
    await wait_until(lambda: len(service.published()) == 12)
    again = [each for each in service.published() if each.replay]
    assert {each.subject: bytes(each.data) for each in again} == {
        each.subject: bytes(each.data) for each in service.published() if not each.replay
    }


@asynccontextmanager
async def served(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Over a socket: what is in memory only shows a response that has ended."""
    config = uvicorn.Config(service.app, port=0, lifespan="off", log_level="critical", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server._serve())  # serve() would take this process's signals over
        await wait_until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield client
        server.should_exit = True
        await serving


class Events:
    """Reads a stream's events."""

    def __init__(self, response: httpx.Response) -> None:
        self.headers = response.headers
        self._lines = response.aiter_lines()

    async def next(self) -> dict[str, str]:
        found: dict[str, str] = {}
        async with asyncio.timeout(20):
            async for line in self._lines:
                name, _, value = line.partition(":")
                if line:
                    found[name or "comment"] = value.strip()
                elif "retry" in found:
                    found = {}
                else:
                    return found
        raise EOFError


@asynccontextmanager
async def following(client: httpx.AsyncClient, place: str, **headers: str) -> AsyncIterator[Events]:
    url = f"/v1/availability/stream?provider_location={place}"
    async with client.stream("GET", url, headers=headers) as response:
        assert response.status_code == 200
        yield Events(response)


async def test_a_stream_begins_with_how_it_stands_and_goes_on_with_every_change(service: Service) -> None:
    place = await service.place(calendar=CALENDAR)
    await service.place(calendar=CALENDAR)
    await wait_until(lambda: len(service.published()) == 6)
    async with served(service) as client:
        async with following(client, place) as events:
            assert events.headers["content-type"].startswith("text/event-stream")
            first = [await events.next() for _ in range(3)]
            assert [json.loads(each["data"])["week"] for each in first] == ["2026-W47", "2026-W48", "2026-W49"]
            await claim(service, place, "2026-11-25T09:00:00-05:00", 30)
            await mark(service, place)
            change = await events.next()
            assert change["event"] == "availability"
            assert "2026-11-25T09:00:00" not in change["data"]
        async with following(client, place, **{"Last-Event-ID": first[-1]["id"]}) as events:
            assert await events.next() == change


async def test_a_silent_stream_sends_heartbeats_and_ends_with_the_service(postgres_dsn: str) -> None:
    settings = settings_for(postgres_dsn, scheduling_heartbeat=0.05, scheduling_streams=1)
    async with running(settings) as service:
        place = await service.place()
        async with served(service) as client, following(client, place) as events:
            assert await events.next() == {"comment": "still here"}
            refused = await client.get(f"/v1/availability/stream?provider_location={place}")
            assert refused.status_code == 503
            service.app.state.background.stop()
            with pytest.raises(EOFError):
                while True:
                    assert await events.next() == {"comment": "still here"}


class BrokenUnits:
    """Their database goes away just when who uses them is told to end."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[UnitOfWork]:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise Unavailable("The database can't be reached.")
        yield


async def test_telling_ends_when_it_is_cancelled_and_fails_at_once() -> None:
    units = BrokenUnits()
    telling = asyncio.create_task(OpeningsPublisher(cast(UnitsOfWork, units), interval=3600).run())
    await units.begun.wait()
    assert await ends_when_cancelled(telling)
