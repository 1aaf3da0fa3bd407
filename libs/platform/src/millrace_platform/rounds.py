"""Work in rounds beside the requests: what lapses, is extended, or is removed when it has had its time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Never

from sqlalchemy import Column, ColumnElement, delete, select

from millrace_platform.background import require_running
from millrace_platform.database import Session
from millrace_platform.errors import Problem

_log = logging.getLogger("millrace.rounds")


async def in_rounds(
    once: Callable[[], Awaitable[object]],
    *,
    name: str,
    pause: float,
    passing: type[Exception] | tuple[type[Exception], ...] = Exception,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Never:
    """One round after the other until it is cancelled, `pause` seconds apart.

    A round that raises what is `passing` is logged and made up by the next; all else ends the rounds.
    """
    while True:
        try:
            await once()
        except passing as error:
            reason = str(error) if isinstance(error, Problem) else type(error).__name__
            _log.warning("a round failed", extra={"task": name, "reason": reason})
            require_running()
        await sleep(pause)


async def in_batches(batch: Callable[[], Awaitable[int]], size: int) -> None:
    """One batch after the other, each a transaction of its own, until one does fewer than `size`."""
    while await batch() >= size:
        pass


async def remove(session: Session, key: Column[object], *conditions: ColumnElement[bool], limit: int) -> int:
    """Delete up to so many rows of the table whose primary key that is; how many. What others hold is passed by."""
    # Named, so that it is evaluated once: a subquery with a limit may be evaluated again for each row.
    chosen = select(key).where(*conditions).limit(limit).with_for_update(skip_locked=True).cte("chosen")
    return (await session.execute(delete(key.table).where(key.in_(select(chosen))))).rowcount
