"""Up to when the read model is projected."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import hiredis

from millrace_feeds.clock import rfc3339
from millrace_readmodel.layout import AS_OF_KEY
from millrace_readmodel.tracking import UnavailableError

SECONDS: Final = 0.5
"""The value changes with every batch of every shard: asking twice a second costs less than having each change told."""


class AsOf:
    """The moment up to which all shards are projected; what was asked last counts until the next answer."""

    def __init__(self, send: Callable[..., Awaitable[Any]]) -> None:
        self._send = send
        self.text: str | None = None
        """RFC 3339; None while nothing is known."""

    async def run(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            try:
                self.text = _oldest((await self._send("HGETALL", AS_OF_KEY))[1::2])
            except (UnavailableError, hiredis.HiredisError):
                self.text = None
            await asyncio.sleep(SECONDS)


def _oldest(moments: list[bytes]) -> str | None:
    """The earliest of unix seconds."""
    return rfc3339(min(map(float, moments))) if moments else None
