"""Work that waits in the database: claimed under a lease, done a few at a time, never lost with a process."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

DRAIN_SECONDS = 20.0
"""What is under way may go on so long when the service stops; below the platform's own limit."""
PAUSE = 0.5
"""Seconds between two looks when nothing was due."""
PAUSE_AFTER_FAILURE = 5.0

_log = logging.getLogger("notifications.worker")


@dataclass(frozen=True, slots=True)
class Worker(Generic[T]):
    """Any number of processes may run it over the same tables.

    `claim` takes up to so many pieces of work, each under a lease that outlasts `work`. What `work` raises is logged;
    the piece comes again when its lease has ended.
    """

    name: str
    claim: Callable[[int], Awaitable[Sequence[T]]]
    work: Callable[[T], Awaitable[None]]
    slots: int
    pause: float = PAUSE

    async def run(self) -> None:
        """Until it is cancelled; then what is under way is finished first, within bounds."""
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                claimed = await self._claimed(self.slots - len(running), running)
                await self._rest(claimed, running)
        finally:
            await _drain(running)

    async def once(self) -> int:
        """Do all that is due now, one round; how many pieces that was."""
        claimed = await self.claim(self.slots)
        await asyncio.gather(*(self.work(each) for each in claimed))
        return len(claimed)

    async def _claimed(self, free: int, running: set[asyncio.Task[None]]) -> int | None:
        """How many were begun; None where the database can't tell what is due."""
        try:
            claimed = await self.claim(free)
        except Exception as error:
            _log.warning("nothing could be claimed", extra={"worker": self.name, "reason": type(error).__name__})
            return None
        for each in claimed:
            task = asyncio.create_task(self._guarded(each))
            running.add(task)
            task.add_done_callback(running.discard)
        return len(claimed)

    async def _rest(self, claimed: int | None, running: set[asyncio.Task[None]]) -> None:
        if len(running) >= self.slots:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        elif claimed is None:
            await asyncio.sleep(PAUSE_AFTER_FAILURE)
        else:
            await asyncio.sleep(self.pause)

    async def _guarded(self, piece: T) -> None:
        try:
            await self.work(piece)
        except Exception as error:
            _log.warning("left for later", extra={"worker": self.name, "reason": type(error).__name__})


async def _drain(running: set[asyncio.Task[None]]) -> None:
    if not running:
        return
    _, late = await asyncio.wait(running, timeout=DRAIN_SECONDS)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)
