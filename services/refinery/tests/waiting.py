"""Waiting for a condition instead of for a time."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], bool], *, within: float = 30.0) -> None:
    """Return as soon as the condition holds; fails after `within` seconds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 # what is waited for doesn't know of the test
            await asyncio.sleep(0.01)


async def until_true(condition: Callable[[], Awaitable[bool]], *, within: float = 30.0) -> None:
    """As `until`, for a condition that has to be asked for."""
    async with asyncio.timeout(within):
        while not await condition():  # noqa: ASYNC110 # what is waited for doesn't know of the test
            await asyncio.sleep(0.05)
