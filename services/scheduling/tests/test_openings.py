"""Openings in the feed and in the stream."""

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
from millrace_contracts.registry import PROVIDER_LOCATION, decode_entity
from millrace_feeds.testing import ends_when_cancelled, wait_until
from millrace_platform.errors import Unavailable
from millrace_platform.unit_of_work import Event, UnitOfWork, UnitsOfWork
from millrace_scheduling.openings.service import OpeningsPublisher

from .running import ADMIN, CALENDAR, Service, running, settings_for
from .test_availability import list_starts, reserve


def weeks(service: Service) -> dict[str, Envelope]:
    """Return the last event of each week, by the name of the week."""
    return {subject.rpartition("/")[2]: last for subject, last in service.latest("availability").items()}


def availability(envelope: Envelope) -> Availability:
    entity = decode_entity(envelope)
    assert isinstance(entity, Availability)
    return entity


async def add_published_location(service: Service, **changes: Any) -> str:
    """Add a provider-location, wait until its three weeks are published, and return its id."""
    location = await service.add_provider_location(npi="1234567893", calendar={**CALENDAR, **changes})
    await wait_until(lambda: len(weeks(service)) == 3)
    return location


async def test_each_week_is_published_with_all_openings(service: Service) -> None:
    location = await add_published_location(service)
    published = weeks(service)
    assert sorted(published) == ["2026-W47", "2026-W48", "2026-W49"]
    assert {each.subject.rpartition("/")[0] for each in published.values()} == {f"availability/1234567893/{location}"}
    found = [opening for week in sorted(published) for opening in availability(published[week]).openings]
    assert [each.start for each in found] == await list_starts(service, location, to="2026-12-18")
    assert {(each.minutes, each.modes, each.patients) for each in found} == {(30, ("in_person",), ("existing", "new"))}
    assert {each.entityversion for each in published.values()} == {1}


async def test_only_changed_weeks_are_published(service: Service) -> None:
    location = await add_published_location(service)
    await reserve(service, location, "2026-11-25T09:00:00-05:00", 30)
    await mark_dirty(service, location)
    await wait_until(lambda: len(service.published()) == 4)
    last = service.published()[-1]
    assert (last.subject.rpartition("/")[2], last.entityversion) == ("2026-W48", 2)
    assert "2026-11-25T09:00:00-05:00" not in [each.start for each in availability(last).openings]


async def mark_dirty(service: Service, location: str) -> None:
    """Have the openings recomputed by a change of the calendar that affects no opening."""
    response = await service.client.get(f"/v1/calendars/{location}", headers=ADMIN)
    body = {**response.json(), "cancellation_cutoff": response.json()["cancellation_cutoff"] + 1}
    headers = {**ADMIN, "If-Match": response.headers["ETag"]}
    assert (await service.client.put(f"/v1/calendars/{location}", json=body, headers=headers)).status_code == 200


async def test_successive_changes_increase_the_version_one_by_one(service: Service) -> None:
    location = await add_published_location(service)
    for hour in range(9, 17):
        await reserve(service, location, f"2026-11-25T{hour:02}:00:00-05:00", 30)
        await mark_dirty(service, location)
    await wait_until(lambda: len(availability(weeks(service)["2026-W48"]).openings) == 5 * 16 - 8)
    versions = [each.entityversion for each in service.published() if each.subject.endswith("W48")]
    assert versions == list(range(1, len(versions) + 1))


async def test_deleted_calendar_withdraws_its_weeks(service: Service) -> None:
    location = await add_published_location(service)
    await service.client.delete(f"/v1/calendars/{location}", headers={**ADMIN, "If-Match": '"1"'})
    await wait_until(lambda: all(each.is_deletion for each in weeks(service).values()))
    await service.client.put(f"/v1/calendars/{location}", json=CALENDAR, headers=ADMIN)
    await wait_until(lambda: [each.entityversion for each in weeks(service).values()] == [3, 3, 3])


async def test_deleted_location_withdraws_its_weeks(service: Service) -> None:
    location = await add_published_location(service)
    await service.publish(Event.of_deletion(PROVIDER_LOCATION, "1234567893", location, version=2))
    await wait_until(lambda: all(each.is_deletion for each in weeks(service).values()))
    assert (await service.client.get(f"/v1/calendars/{location}", headers=ADMIN)).status_code == 404


class TestPassingTime:
    async def test_slots_extend_with_the_horizon(self, service: Service) -> None:
        location = await add_published_location(service)
        assert (await list_starts(service, location, to="2026-12-18"))[-1] == "2026-12-01T16:30:00-05:00"
        service.clock.now += 2 * 86_400
        assert await periodic_task(service, "extension").run_once() == 1
        assert await periodic_task(service, "extension").run_once() == 0
        assert (await list_starts(service, location, to="2026-12-18"))[-1] == "2026-12-03T16:30:00-05:00"
        await wait_until(
            lambda: availability(weeks(service)["2026-W49"]).openings[-1].start == "2026-12-03T16:30:00-05:00"
        )

    async def test_past_times_are_withdrawn(self, service: Service) -> None:
        await add_published_location(service, minimum_notice=60)
        service.clock.now += 4 * 3600
        await periodic_task(service, "aging").run_once()
        await wait_until(
            lambda: availability(weeks(service)["2026-W47"]).openings[0].start == "2026-11-18T11:30:00-05:00"
        )

    async def test_past_weeks_are_withdrawn(self, service: Service) -> None:
        await add_published_location(service)
        service.clock.now += 8 * 86_400
        await periodic_task(service, "aging").run_once()
        await wait_until(lambda: weeks(service)["2026-W47"].is_deletion)
        assert not weeks(service)["2026-W48"].is_deletion


def periodic_task(service: Service, name: str) -> Any:
    return getattr(service.app.state.scheduling, name)


@asynccontextmanager
async def served(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Serve over a socket: the in-memory transport returns a response only after it has ended."""
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
    """Reads the events of a stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.headers = response.headers
        self._lines = response.aiter_lines()

    async def next(self) -> dict[str, str]:
        event: dict[str, str] = {}
        async with asyncio.timeout(20):
            async for line in self._lines:
                name, _, value = line.partition(":")
                if line:
                    event[name or "comment"] = value.strip()
                elif "retry" in event:
                    event = {}
                else:
                    return event
        raise EOFError


@asynccontextmanager
async def open_stream(client: httpx.AsyncClient, location: str, **headers: str) -> AsyncIterator[Events]:
    url = f"/v1/availability/stream?provider_location={location}"
    async with client.stream("GET", url, headers=headers) as response:
        assert response.status_code == 200
        yield Events(response)


async def test_stream_sends_all_weeks_and_then_each_change(service: Service) -> None:
    location = await service.add_provider_location(calendar=CALENDAR)
    await service.add_provider_location(calendar=CALENDAR)
    await wait_until(lambda: len(service.published()) == 6)
    async with served(service) as client:
        async with open_stream(client, location) as events:
            assert events.headers["content-type"].startswith("text/event-stream")
            first = [await events.next() for _ in range(3)]
            assert [json.loads(each["data"])["week"] for each in first] == ["2026-W47", "2026-W48", "2026-W49"]
            await reserve(service, location, "2026-11-25T09:00:00-05:00", 30)
            await mark_dirty(service, location)
            change = await events.next()
            assert change["event"] == "availability"
            assert "2026-11-25T09:00:00" not in change["data"]
        async with open_stream(client, location, **{"Last-Event-ID": first[-1]["id"]}) as events:
            assert await events.next() == change


async def test_head_of_a_stream_ends_with_its_head(service: Service) -> None:
    location = await service.add_provider_location()
    async with served(service) as client:
        head = await client.head(f"/v1/availability/stream?provider_location={location}")
    assert (head.status_code, head.content) == (200, b"")
    assert service.app.state.scheduling.streams.notifier.subscriber_count == 0


async def test_idle_stream_sends_heartbeats_and_ends_with_the_service(postgres_dsn: str) -> None:
    settings = settings_for(postgres_dsn, scheduling_heartbeat=0.05, stream_limit=1)
    async with running(settings) as service:
        location = await service.add_provider_location()
        async with served(service) as client, open_stream(client, location) as events:
            assert await events.next() == {"comment": "still here"}
            refused = await client.get(f"/v1/availability/stream?provider_location={location}")
            assert refused.status_code == 503
            service.app.state.background.stop()
            with pytest.raises(EOFError):
                while True:
                    assert await events.next() == {"comment": "still here"}


class BrokenUnits:
    """Units of work whose database fails at the moment of the cancellation."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[UnitOfWork]:
        self.has_begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise Unavailable("The database can't be reached.")
        yield


async def test_publisher_ends_when_its_batch_fails_on_cancellation() -> None:
    units = BrokenUnits()
    task = asyncio.create_task(OpeningsPublisher(cast(UnitsOfWork, units), interval=3600).run())
    await units.has_begun.wait()
    assert await ends_when_cancelled(task)
