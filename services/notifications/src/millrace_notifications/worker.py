"""Worker that leases due items (emails or deliveries) from the database and processes several concurrently."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

DRAIN_SECONDS = 20.0
"""Seconds that items in progress have to finish when the service stops; less than the runtime's own time limit."""
IDLE_PAUSE = 0.5
"""Seconds between two queries for due items."""
FAILURE_PAUSE = 5.0

_log = logging.getLogger("notifications.worker")


@dataclass(frozen=True, slots=True)
class Worker(Generic[T]):
    """Processes due items. Any number of processes may run workers over the same tables.

    `lease_due` leases up to the given number of items; the lease must outlast `process`. Exceptions of `process` are
    logged, and the item is processed again after its lease has expired.
    """

    name: str
    lease_due: Callable[[int], Awaitable[Sequence[T]]]
    process: Callable[[T], Awaitable[None]]
    concurrency: int

    async def run(self) -> None:
        """Process items until cancelled. On cancellation, finish items in progress within `DRAIN_SECONDS`."""
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                succeeded = await self._start_due(self.concurrency - len(running), running)
                await self._pause(succeeded, running)
        finally:
            await _drain(running)

    async def run_once(self) -> int:
        """Process one batch of due items; return the number of items."""
        items = await self.lease_due(self.concurrency)
        await asyncio.gather(*(self.process(each) for each in items))
        return len(items)

    async def _start_due(self, limit: int, running: set[asyncio.Task[None]]) -> bool:
        """Start tasks for due items; return False if they can't be leased."""
        try:
            items = await self.lease_due(limit)
        except Exception as error:
            _log.warning("leasing due items failed", extra={"worker": self.name, "reason": type(error).__name__})
            return False
        for each in items:
            task = asyncio.create_task(self._process_safely(each))
            running.add(task)
            task.add_done_callback(running.discard)
        return True

    async def _pause(self, succeeded: bool, running: set[asyncio.Task[None]]) -> None:
        if len(running) >= self.concurrency:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(IDLE_PAUSE if succeeded else FAILURE_PAUSE)

    async def _process_safely(self, item: T) -> None:
        try:
            await self.process(item)
        except Exception as error:
            context = {"worker": self.name, "reason": type(error).__name__}
            _log.warning("processing failed; retrying after the lease expires", extra=context)


async def _drain(running: set[asyncio.Task[None]]) -> None:
    if not running:
        return
    _, late = await asyncio.wait(running, timeout=DRAIN_SECONDS)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)
