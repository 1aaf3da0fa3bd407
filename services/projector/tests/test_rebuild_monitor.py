"""The loop of the rebuild monitor, without stores."""

import asyncio
from typing import cast

from redis.exceptions import ConnectionError as RedisConnectionError

from millrace_feeds.testing import ends_when_cancelled
from millrace_projector.rebuild_monitor import RebuildMonitor
from millrace_projector.stores import Stores


class FailingMonitor(RebuildMonitor):
    """Its stores become unavailable at the moment of its cancellation."""

    def __init__(self) -> None:
        super().__init__(cast(Stores, None), interval=3600, segments=1)
        self.started = asyncio.Event()

    async def _clean_up(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise RedisConnectionError


async def test_monitor_ends_when_an_error_accompanies_its_cancellation() -> None:
    monitor = FailingMonitor()
    running = asyncio.create_task(monitor.run())
    await monitor.started.wait()
    assert await ends_when_cancelled(running)
