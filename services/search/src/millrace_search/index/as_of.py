"""Poll the time up to which the read model contains all changes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import hiredis

from millrace_feeds.clock import rfc3339
from millrace_readmodel.layout import AS_OF_KEY
from millrace_readmodel.tracking import UnavailableError

SECONDS: Final = 0.5
"""Poll interval in seconds. The value changes with every batch of every shard, so tracking would cost more."""


class AsOfPoller:
    """Polls the time up to which the read model contains the changes of all shards of the feed."""

    def __init__(self, send: Callable[..., Awaitable[Any]]) -> None:
        self._send = send
        self.text: str | None = None
        """RFC 3339; None while unknown."""

    async def run(self) -> None:
        """Poll the time until cancelled."""
        while True:
            try:
                moments = (await self._send("HGETALL", AS_OF_KEY))[1::2]
                self.text = rfc3339(min(map(float, moments))) if moments else None
            except (UnavailableError, hiredis.HiredisError):
                self.text = None
            await asyncio.sleep(SECONDS)
