"""Run work periodically, e.g. to expire holds, to extend slots, or to delete old rows."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Never

from sqlalchemy import Column, ColumnElement, delete, select

from millrace_platform.background import raise_if_cancelled
from millrace_platform.database import Session
from millrace_platform.errors import Problem

_log = logging.getLogger("millrace.periodic")


async def run_periodically(
    work: Callable[[], Awaitable[object]],
    *,
    name: str,
    pause: float,
    retry_on: type[Exception] | tuple[type[Exception], ...] = Exception,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Never:
    """Call `work` repeatedly until cancelled; wait `pause` seconds after each call.

    Logs an exception of type `retry_on` as a warning and continues with the next call; raises any other.
    """
    while True:
        try:
            await work()
        except retry_on as error:
            reason = str(error) if isinstance(error, Problem) else type(error).__name__
            _log.warning("periodic work failed", extra={"task": name, "reason": reason})
            raise_if_cancelled()
        await sleep(pause)


async def run_in_batches(batch: Callable[[], Awaitable[int]], size: int) -> None:
    """Call `batch`, which processes rows in a transaction and returns their number, until that is less than `size`."""
    while await batch() >= size:
        pass


async def delete_rows(session: Session, key: Column[object], *conditions: ColumnElement[bool], limit: int) -> int:
    """Delete up to `limit` rows that match all conditions, except locked ones; return the count. `key`: primary key."""
    # Named, so that it is evaluated once: a subquery with a limit may be evaluated again for each row.
    chosen = select(key).where(*conditions).limit(limit).with_for_update(skip_locked=True).cte("chosen")
    return (await session.execute(delete(key.table).where(key.in_(select(chosen))))).rowcount
