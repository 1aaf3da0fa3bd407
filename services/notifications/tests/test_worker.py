"""Tests of the worker, in virtual time."""

import asyncio
from collections.abc import Sequence

from millrace_feeds.testing import run_virtual
from millrace_notifications.worker import DRAIN_SECONDS, FAILURE_PAUSE, Worker


class Source:
    """Source of items that take `seconds` each to process. Item 3 fails; leasing fails while `unavailable` is set."""

    def __init__(self, count: int, seconds: float) -> None:
        self.due = list(range(count))
        self.seconds = seconds
        self.done: list[int] = []
        self.running = self.max_running = 0
        self.unavailable = False
        self.leases = 0

    async def lease_due(self, limit: int) -> Sequence[int]:
        self.leases += 1
        if self.unavailable:
            raise OSError
        items, self.due = self.due[:limit], self.due[limit:]
        return items

    async def process(self, item: int) -> None:
        self.running += 1
        self.max_running = max(self.max_running, self.running)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.running -= 1
        if item == 3:
            raise ValueError
        self.done.append(item)


async def run_for(source: Source, seconds: float, concurrency: int = 4) -> None:
    task = asyncio.create_task(Worker("test", source.lease_due, source.process, concurrency).run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


def test_processes_all_items_with_limited_concurrency() -> None:
    source = Source(20, seconds=1.0)
    run_virtual(run_for(source, 30))
    assert sorted(source.done) == [item for item in range(20) if item != 3]
    assert source.max_running == 4


def test_running_items_finish_on_shutdown() -> None:
    source = Source(4, seconds=DRAIN_SECONDS - 1)
    run_virtual(run_for(source, 1))
    assert sorted(source.done) == [0, 1, 2]


def test_shutdown_cancels_items_that_take_too_long() -> None:
    source = Source(1, seconds=DRAIN_SECONDS * 10)
    run_virtual(run_for(source, 1))
    assert (source.done, source.running) == ([], 0)


def test_pauses_while_leasing_fails() -> None:
    source = Source(1, seconds=0.1)
    source.unavailable = True

    async def main() -> None:
        task = asyncio.create_task(Worker("test", source.lease_due, source.process, 4).run())
        await asyncio.sleep(FAILURE_PAUSE * 3 + 1)
        assert source.leases == 4
        source.unavailable = False
        await asyncio.sleep(FAILURE_PAUSE + 1)
        task.cancel()
        await asyncio.wait([task])

    run_virtual(main())
    assert source.done == [0]
