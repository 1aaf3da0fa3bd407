"""Periodic work, batches, and the deletion of rows."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select, text

from millrace_feeds.testing import ends_when_cancelled
from millrace_platform.database import Database, open_database
from millrace_platform.errors import Unavailable
from millrace_platform.periodic import delete_rows, run_in_batches, run_periodically

row = Table("row", MetaData(), Column("id", Integer, primary_key=True), Column("age", Integer))


class FailingWork:
    """Raises the given failures in turn; the pause after the last run is cancelled."""

    def __init__(self, *failures: Exception | None) -> None:
        self._failures = list(failures)
        self.pauses: list[float] = []

    async def run(self) -> None:
        failure = self._failures.pop(0)
        if failure is not None:
            raise failure

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if not self._failures:
            raise asyncio.CancelledError


async def test_failed_run_is_logged_and_followed_by_next(caplog: pytest.LogCaptureFixture) -> None:
    work = FailingWork(None, Unavailable("The database can't be reached."), ValueError("secret"), None)
    with caplog.at_level(logging.WARNING), pytest.raises(asyncio.CancelledError):
        await run_periodically(work.run, name="tidying", pause=5, sleep=work.sleep)
    assert work.pauses == [5, 5, 5, 5]
    logged = [(record.__dict__["task"], record.__dict__["reason"]) for record in caplog.records]
    assert logged == [("tidying", "The database can't be reached."), ("tidying", "ValueError")]
    assert "secret" not in caplog.text


async def test_unexpected_error_ends_periodic_work() -> None:
    work = FailingWork(OSError(), ValueError())
    with pytest.raises(ValueError):
        await run_periodically(work.run, name="tidying", pause=5, retry_on=OSError, sleep=work.sleep)
    assert work.pauses == [5]


@pytest.mark.parametrize(("counts", "calls"), [([0], 1), ([3, 3, 2], 3), ([3, 0], 2)])
async def test_batches_end_with_first_incomplete_batch(counts: list[int], calls: int) -> None:
    remaining = list(counts)

    async def batch() -> int:
        return remaining.pop(0)

    await run_in_batches(batch, 3)
    assert len(counts) - len(remaining) == calls


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[Database]:
    """With ten rows, seven of them old."""
    async with open_database(postgres_dsn, name="test", pool_size=2, seconds=5) as database:
        async with database.transaction() as session:
            await session.execute(text("CREATE TABLE row (id integer PRIMARY KEY, age integer)"))
            await session.execute(insert(row), [{"id": n, "age": 9 if n < 7 else 1} for n in range(10)])
        yield database


async def count_rows(database: Database) -> int:
    async with database.read() as session:
        return len((await session.execute(select(row.c.id))).all())


async def test_delete_rows_respects_limit(database: Database) -> None:
    counts = []
    for _ in range(4):
        async with database.transaction() as session:
            counts.append(await delete_rows(session, row.c.id, row.c.age > 5, limit=3))
    assert counts == [3, 3, 1, 0]
    assert await count_rows(database) == 3


async def test_delete_rows_skips_locked_rows(database: Database) -> None:
    async with database.transaction() as other:
        await other.execute(select(row).where(row.c.id < 2).with_for_update())
        async with database.transaction() as session:
            assert await delete_rows(session, row.c.id, row.c.age > 5, limit=100) == 5
    assert await count_rows(database) == 5


async def test_cancellation_ends_work_that_fails_meanwhile() -> None:
    begun = asyncio.Event()

    async def fail_when_cancelled() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError

    task = asyncio.create_task(run_periodically(fail_when_cancelled, name="test", pause=0))
    await begun.wait()
    assert await ends_when_cancelled(task)
