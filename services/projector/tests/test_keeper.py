"""The keeper's loop, without stores."""

import asyncio
from typing import cast

from redis.exceptions import ConnectionError as RedisAway

from millrace_feeds.testing import ends_when_cancelled
from millrace_projector.keeper import Keeper
from millrace_projector.stores import Stores


class Broken(Keeper):
    """Its stores go away just when it is told to end."""

    def __init__(self) -> None:
        super().__init__(cast(Stores, None), interval=3600, segments=1)
        self.begun = asyncio.Event()

    async def _clean_up(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise RedisAway


async def test_it_ends_when_it_is_cancelled_and_fails_at_once() -> None:
    keeper = Broken()
    running = asyncio.create_task(keeper.run())
    await keeper.begun.wait()
    assert await ends_when_cancelled(running)
