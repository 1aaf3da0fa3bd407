"""Rounds that fail, batches to the end, and rows that are removed a few at a time."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select, text

from millrace_feeds.testing import ends_when_cancelled
from millrace_platform.database import Database, open_database
from millrace_platform.errors import Unavailable
from millrace_platform.rounds import in_batches, in_rounds, remove

row = Table("row", MetaData(), Column("id", Integer, primary_key=True), Column("age", Integer))


class Rounds:
    """Each fails as it is told to; the pause after the last is where all is cancelled."""

    def __init__(self, *failures: Exception | None) -> None:
        self._failures = list(failures)
        self.pauses: list[float] = []

    async def once(self) -> None:
        failure = self._failures.pop(0)
        if failure is not None:
            raise failure

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if not self._failures:
            raise asyncio.CancelledError


async def test_a_round_that_fails_is_made_up_by_the_next(caplog: pytest.LogCaptureFixture) -> None:
    rounds = Rounds(None, Unavailable("The database can't be reached."), ValueError("secret"), None)
    with caplog.at_level(logging.WARNING), pytest.raises(asyncio.CancelledError):
        await in_rounds(rounds.once, name="tidying", pause=5, sleep=rounds.sleep)
    assert rounds.pauses == [5, 5, 5, 5]
    told = [(record.__dict__["task"], record.__dict__["reason"]) for record in caplog.records]
    assert told == [("tidying", "The database can't be reached."), ("tidying", "ValueError")]
    assert "secret" not in caplog.text


async def test_what_must_not_pass_ends_the_rounds() -> None:
    rounds = Rounds(OSError(), ValueError())
    with pytest.raises(ValueError):
        await in_rounds(rounds.once, name="tidying", pause=5, passing=OSError, sleep=rounds.sleep)
    assert rounds.pauses == [5]


@pytest.mark.parametrize(("done", "asked"), [([0], 1), ([3, 3, 2], 3), ([3, 0], 2)])
async def test_batches_go_on_until_one_is_not_full(done: list[int], asked: int) -> None:
    waiting = list(done)

    async def batch() -> int:
        return waiting.pop(0)

    await in_batches(batch, 3)
    assert len(done) - len(waiting) == asked


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[Database]:
    """With ten rows, seven of them old."""
    async with open_database(postgres_dsn, name="test", pool_size=2, seconds=5) as database:
        async with database.transaction() as session:
            await session.execute(text("CREATE TABLE row (id integer PRIMARY KEY, age integer)"))
            await session.execute(insert(row), [{"id": n, "age": 9 if n < 7 else 1} for n in range(10)])
        yield database


async def left(database: Database) -> int:
    async with database.read() as session:
        return len((await session.execute(select(row.c.id))).all())


async def test_no_more_is_removed_than_was_asked_for(database: Database) -> None:
    counts = []
    for _ in range(4):
        async with database.transaction() as session:
            counts.append(await remove(session, row.c.id, row.c.age > 5, limit=3))
    assert counts == [3, 3, 1, 0]
    assert await left(database) == 3


async def test_what_others_hold_is_passed_by(database: Database) -> None:
    async with database.transaction() as other:
        await other.execute(select(row).where(row.c.id < 2).with_for_update())
        async with database.transaction() as session:
            assert await remove(session, row.c.id, row.c.age > 5, limit=100) == 5
    assert await left(database) == 5


async def test_rounds_end_when_they_are_cancelled_and_fail_at_once() -> None:
    begun = asyncio.Event()

    async def fails_when_it_ends() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError

    rounds = asyncio.create_task(in_rounds(fails_when_it_ends, name="test", pause=0))
    await begun.wait()
    assert await ends_when_cancelled(rounds)
