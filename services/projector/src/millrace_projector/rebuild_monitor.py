"""Make sure that a read model exists: rebuild a missing one, and clean up after failed rebuilds."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from millrace_platform.background import raise_if_cancelled
from millrace_projector.handler import is_unavailable
from millrace_projector.stores import Stores
from millrace_readmodel.bulk import RepeatedCommandError
from millrace_readmodel.generations import read_pointers
from millrace_readmodel.rebuild import (
    LockLostError,
    Rebuild,
    RebuildResult,
    RebuildRunningError,
    is_rebuild_running,
    no_wait,
    remove_unfinished_rebuild,
)

logger = logging.getLogger(__name__)


@dataclass
class RebuildMonitor:
    """Checks periodically and on request that a read model exists. Each worker has one; a lock lets one act at a time.

    `interval` is in seconds. A rebuild waits for `wait_for_truth` and then reads the source of truth in `segments`
    parallel parts; `last_rebuild` is the result of this worker's last one.
    """

    stores: Stores
    interval: float
    segments: int
    wait_for_truth: Callable[[], Awaitable[None]] = no_wait
    last_rebuild: RebuildResult | None = field(default=None, init=False)
    _has_seen_read_model: bool = field(default=False, init=False)
    _check_requested: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def request_check(self) -> None:
        """Start the next check immediately; call this when the read model is missing."""
        self._check_requested.set()

    async def run(self) -> None:
        """Check the read model until cancelled; log errors of the stores and retry at the next check."""
        cleaned_up = False
        while True:
            try:
                if not cleaned_up:
                    await self._clean_up()
                    cleaned_up = True
                await self.check()
            except RebuildRunningError:
                logger.debug("another worker rebuilds the read model")
            except (LockLostError, RepeatedCommandError) as error:
                logger.warning("rebuild failed and will be retried: %s", error)
            except Exception as error:
                if not is_unavailable(error):
                    raise
                logger.warning("read model not checked: %s", error)
            raise_if_cancelled()
            await self._wait()

    async def check(self) -> None:
        """Rebuild the read model if searches have none; else clean up after a rebuild that failed.

        Raises the errors of `Rebuild.run` and redis-py's `RedisError`.
        """
        self._check_requested.clear()
        pointers = await read_pointers(self.stores.redis)
        if pointers.served is None:
            # Each start of a local platform finds none, because Valkey isn't persistent there.
            if self._has_seen_read_model:
                logger.warning("the read model is lost; rebuilding it from the truth")
            else:
                logger.info("no read model yet; building it from the truth")
            await self._rebuild()
        elif pointers.building is not None and not await is_rebuild_running(self.stores.redis):
            await self._clean_up()
        self._has_seen_read_model = True

    async def _rebuild(self) -> None:
        stores = self.stores
        rebuild = Rebuild(
            stores.redis,
            stores.truth,
            stores.writer,
            segments=self.segments,
            wait_for_truth=self.wait_for_truth,
            now=stores.now,
        )
        self.last_rebuild = await rebuild.run()
        logger.info(
            "generation %d of the read model built: %d cards in %.1f s",
            self.last_rebuild.generation,
            self.last_rebuild.loaded.cards,
            self.last_rebuild.seconds,
        )

    async def _clean_up(self) -> None:
        removed = await remove_unfinished_rebuild(self.stores.redis)
        if removed:
            logger.info("removed %d keys of an unfinished rebuild", removed)

    async def _wait(self) -> None:
        """Wait for a requested check or the end of the interval."""
        try:
            async with asyncio.timeout(self.interval):
                await self._check_requested.wait()
        except TimeoutError:
            return
