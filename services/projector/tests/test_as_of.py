"""The time up to which the read model is complete never promises more than what is applied."""

from typing import Any

import pytest
from redis.asyncio import Redis

from millrace_feeds.status import ShardStatus
from millrace_platform.testing import ManualClock
from millrace_projector.as_of import AsOf, AsOfWriter
from millrace_readmodel import layout


def status(shard: str = "shard-0", lag_ms: int | None = 0, in_flight: int = 0) -> ShardStatus:
    return ShardStatus(shard, "1", lag_ms, in_flight)


def test_at_the_tip_it_is_now() -> None:
    assert AsOf().complete(status(), 5000.0) == 5000.0


def test_before_anything_was_applied_it_is_unknown() -> None:
    assert AsOf().complete(status(lag_ms=None), 5000.0) is None
    assert AsOf().complete(status(lag_ms=10, in_flight=3), 5000.0) is None


def test_while_records_are_applied_it_is_the_oldest_of_them(make: Any) -> None:
    as_of = AsOf()
    first, second, third = (make.raw(b"") for _ in range(3))
    with as_of.applying([third]):
        pass
    with as_of.applying([first]), as_of.applying([second]):
        assert as_of.complete(status(in_flight=2), 5000.0) == first.arrived
    assert as_of.complete(status(lag_ms=10), 5000.0) == third.arrived


def test_what_failed_is_not_applied(make: Any) -> None:
    as_of = AsOf()
    with pytest.raises(ValueError, match="refused"), as_of.applying([make.raw(b"")]):
        raise ValueError("refused")
    assert as_of.complete(status(lag_ms=10), 5000.0) is None


class Worker:
    """A consumer that holds what the test says."""

    def __init__(self, *shards: ShardStatus) -> None:
        self.shards = shards
        self.healthy = True

    def status(self) -> "Worker":
        return self


async def test_it_is_written_by_shard_and_goes_with_the_lease(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        worker = Worker(status("a"), status("b"))
        writer = AsOfWriter(redis, AsOf(), worker, clock=ManualClock(43_200.0), interval=1.0)
        await writer.write()
        assert await redis.hgetall(layout.AS_OF_KEY) == {b"a": b"43200.000", b"b": b"43200.000"}
        worker.shards = (status("b"),)
        await writer.write()
        assert await redis.hkeys(layout.AS_OF_KEY) == [b"b"]


async def test_a_worker_without_connection_promises_nothing(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        worker = Worker(status("a"))
        worker.healthy = False
        await AsOfWriter(redis, AsOf(), worker, clock=ManualClock(43_200.0), interval=1.0).write()
        assert await redis.exists(layout.AS_OF_KEY) == 0
