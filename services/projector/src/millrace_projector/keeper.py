"""Sees to it that there is a read model: rebuilds it when it is missing, removes what a broken rebuild left."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from millrace_platform.background import require_running
from millrace_projector.handler import is_away
from millrace_projector.stores import Stores
from millrace_readmodel.bulk import RepeatedError
from millrace_readmodel.generations import pointers
from millrace_readmodel.rebuild import LockLostError, Rebuild, RebuildRunningError, Rebuilt, at_once, clean_up, running

logger = logging.getLogger(__name__)


class Keeper:
    """One a worker; the rebuild lock lets only one of the fleet act. `rebuilt` is the last rebuild made here.

    `settled` returns when the truth is worth reading.
    """

    def __init__(
        self, stores: Stores, *, interval: float, segments: int, settled: Callable[[], Awaitable[None]] = at_once
    ) -> None:
        self._stores = stores
        self._settled = settled
        self._interval = interval
        self._segments = segments
        self._asked = asyncio.Event()
        self.rebuilt: Rebuilt | None = None

    @property
    def absent(self) -> Callable[[], None]:
        """Call it where a read model is missed: it is looked for at once."""
        return self._asked.set

    async def run(self) -> None:
        """Until cancelled. Errors of the stores are logged; the next turn tries again."""
        cleaned = False
        while True:
            try:
                if not cleaned:
                    await self._clean_up()
                    cleaned = True
                await self.look()
            except RebuildRunningError:
                logger.debug("another worker rebuilds")
            except (LockLostError, RepeatedError) as error:
                logger.warning("the rebuild failed and is made again: %s", error)
            except Exception as error:
                if not is_away(error):
                    raise
                logger.warning("the read model can't be looked after: %s", error)
            require_running()
            await self._wait()

    async def look(self) -> None:
        """Rebuild if nothing is served, clean up after a rebuild that broke. Raises what these raise."""
        self._asked.clear()
        now = await pointers(self._stores.redis)
        if now.served is None:
            logger.warning("there is no read model: it is made from the truth")
            await self._rebuild()
        elif now.building is not None and not await running(self._stores.redis):
            await self._clean_up()

    async def _rebuild(self) -> None:
        stores = self._stores
        rebuild = Rebuild(stores.redis, stores.truth, stores.writer, segments=self._segments, settled=self._settled)
        self.rebuilt = await rebuild.run()
        logger.info(
            "generation %d of the read model has %d cards after %.1f s",
            self.rebuilt.generation,
            self.rebuilt.loaded.cards,
            self.rebuilt.seconds,
        )

    async def _clean_up(self) -> None:
        removed = await clean_up(self._stores.redis)
        if removed:
            logger.info("removed %d keys that a broken rebuild had left", removed)

    async def _wait(self) -> None:
        """Until asked, or the interval is over."""
        try:
            async with asyncio.timeout(self._interval):
                await self._asked.wait()
        except TimeoutError:
            return
