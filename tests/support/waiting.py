"""Waiting for a condition instead of for a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


async def until(condition: Callable[[], bool | Awaitable[bool]], *, within: float = 20.0) -> None:
    """Return as soon as the condition holds; fails after `within` seconds."""
    async with asyncio.timeout(within):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            # What is waited for doesn't know of the test.
            await asyncio.sleep(0.01)


async def ends_cancelled(task: asyncio.Task[Any], *, seconds: float = 5.0) -> bool:
    """Cancel it once, and whether that ended it in time. To wait for the task itself would cancel it once more."""
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=seconds)
    return bool(done) and task.cancelled()
