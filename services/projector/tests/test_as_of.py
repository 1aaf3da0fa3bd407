"""The as-of time of a shard: all records that arrived before it are applied."""

from typing import Any

import pytest
from redis.asyncio import Redis

from millrace_feeds.status import ConsumerStatus, ShardStatus
from millrace_platform.testing import ManualClock
from millrace_projector.as_of import AsOfTracker, AsOfWriter
from millrace_readmodel import layout


def status(shard: str = "shard-0", lag_ms: int | None = 0, in_flight: int = 0) -> ShardStatus:
    return ShardStatus(shard, "1", lag_ms, in_flight)


def test_as_of_is_now_at_the_end_of_the_shard() -> None:
    assert AsOfTracker().as_of(status(), 5000.0) == 5000.0


def test_as_of_is_unknown_before_the_first_record() -> None:
    assert AsOfTracker().as_of(status(lag_ms=None), 5000.0) is None
    assert AsOfTracker().as_of(status(lag_ms=10, in_flight=3), 5000.0) is None


def test_as_of_is_the_oldest_record_being_applied(make: Any) -> None:
    tracker = AsOfTracker()
    first, second, third = (make.raw(b"") for _ in range(3))
    with tracker.applying([third]):
        pass
    with tracker.applying([first]), tracker.applying([second]):
        assert tracker.as_of(status(in_flight=2), 5000.0) == first.arrived
    assert tracker.as_of(status(lag_ms=10), 5000.0) == third.arrived


def test_failed_records_do_not_count_as_applied(make: Any) -> None:
    tracker = AsOfTracker()
    with pytest.raises(ValueError, match="refused"), tracker.applying([make.raw(b"")]):
        raise ValueError("refused")
    assert tracker.as_of(status(lag_ms=10), 5000.0) is None


def worker(*shards: ShardStatus, healthy: bool = True) -> ConsumerStatus:
    """Return the status of a consumer that leases the given shards."""
    return ConsumerStatus("projector", "entities", "worker", healthy, shards, 0, 0, 0.0, None, None, None)


async def test_as_of_is_written_by_shard_and_deleted_with_the_lease(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        statuses = iter([worker(status("a"), status("b")), worker(status("b"))])
        writer = AsOfWriter(redis, AsOfTracker(), lambda: next(statuses), clock=ManualClock(43_200.0), interval=1.0)
        await writer.write()
        assert await redis.hgetall(layout.AS_OF_KEY) == {b"a": b"43200.000", b"b": b"43200.000"}
        await writer.write()
        assert await redis.hkeys(layout.AS_OF_KEY) == [b"b"]


async def test_unhealthy_worker_writes_no_as_of(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        unhealthy = worker(status("a"), healthy=False)
        await AsOfWriter(redis, AsOfTracker(), lambda: unhealthy, clock=ManualClock(43_200.0), interval=1.0).write()
        assert await redis.exists(layout.AS_OF_KEY) == 0
