"""Stop waiting for missing versions periodically, once the versions held after them have waited long enough."""

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

from millrace_feeds.handler import is_outage
from millrace_feeds.status import ConsumerStatus
from millrace_refinery.refiner import Refiner

logger = logging.getLogger(__name__)

_TIMEOUT = 60.0
_AT_TIP_MS = 1_000


def shards_at_tip(status: ConsumerStatus) -> set[str]:
    """Return the ids of the shards that the consumer has read to the end: their lag is at most one second."""
    return {shard.shard_id for shard in status.shards if shard.lag_ms is not None and shard.lag_ms <= _AT_TIP_MS}


@dataclass(frozen=True, slots=True)
class GapSweep:
    """Skips expired gaps every `interval` seconds in the shards that `shards` returns: those read to their end."""

    refiner: Refiner
    shards: Callable[[], Collection[str]]
    interval: float

    async def run(self) -> None:
        """Skip expired gaps periodically until cancelled; log an outage of a store and try again at the next time."""
        while True:
            await asyncio.sleep(self.interval)
            try:
                async with asyncio.timeout(_TIMEOUT):
                    await self.refiner.skip_expired_gaps(self.shards())
            except Exception as error:
                if not is_outage(error):
                    raise
                logger.warning("sweep postponed", extra={"reason": str(error) or type(error).__name__})
