"""The clock behind the bounded wait: looks regularly for held versions whose time is over."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from millrace_feeds.handler import is_outage
from millrace_feeds.status import ConsumerStatus
from millrace_refinery.refiner import Refiner

logger = logging.getLogger(__name__)

_TIMEOUT = 60.0
_AT_TIP_MS = 1_000


def read_to_tip(status: ConsumerStatus) -> set[str]:
    """The shards in which nothing is left to read that is older than a second."""
    return {shard.shard_id for shard in status.shards if shard.lag_ms is not None and shard.lag_ms <= _AT_TIP_MS}


class Sweep:
    """Runs until cancelled, every `interval` seconds. `shards` tells which shards this worker has read to their tip."""

    def __init__(
        self,
        *,
        refiner: Refiner,
        shards: Callable[[], Collection[str]],
        interval: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._refiner = refiner
        self._shards = shards
        self._interval = interval
        self._sleep = sleep

    async def run(self) -> None:
        while True:
            await self._sleep(self._interval)
            try:
                async with asyncio.timeout(_TIMEOUT):
                    await self._refiner.release_due(self._shards())
            except Exception as error:
                if not is_outage(error):
                    raise
                logger.warning("sweep put off", extra={"reason": str(error) or type(error).__name__})
