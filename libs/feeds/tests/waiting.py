"""Tests wait on the condition, never for a time."""

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE = 30.0


async def until(condition: Callable[[], bool]) -> None:
    """Return as soon as it holds; raises TimeoutError when it never does."""

    async def checked() -> bool:
        return condition()

    await until_async(checked)


async def until_async(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 # what changes is outside of this process or has no event
            await asyncio.sleep(0.01)
