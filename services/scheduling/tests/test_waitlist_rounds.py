"""What a round of the waitlist costs: where time came free, and not who waits."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from millrace_platform.database import Database, open_database
from millrace_scheduling.migrate import migrate
from millrace_scheduling.openings import repository as openings
from millrace_scheduling.waitlist import repository

PLACES, EACH = 500, 20
FILL = (
    """
    INSERT INTO places (id, npi, time_zone, deleted, version)
    SELECT gen_random_uuid(), 1000000000 + n, 'America/New_York', false, 1 FROM generate_series(1, :places) n
    """,
    """
    INSERT INTO waitlist_entries (id, place_id, patient_id, mode, patient_kind, first_day, last_day, state, created_at)
    SELECT gen_random_uuid(), id, gen_random_uuid(), 'in_person', 'new', '2026-11-20', '2026-11-30', 'waiting', now()
    FROM places, generate_series(1, :each)
    """,
    # Offers that are long over.
    """
    INSERT INTO waitlist_offers (id, version, state, entry_id, claim_id, start, minutes, expires_at)
    SELECT gen_random_uuid(), 2, 'lapsed', id, gen_random_uuid(), now(), 30, now() FROM waitlist_entries
    """,
)
NOW = datetime(2026, 11, 18, tzinfo=UTC)
SETTLE = text("UPDATE waitlist_entries SET due = false WHERE due")
TOUCH = """
INSERT INTO dirty_openings (npi, first, last, frees)
SELECT npi, timestamptz '2026-11-20', timestamptz '2026-11-21', :frees FROM places ORDER BY npi LIMIT :places
"""
READ = text("SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables")


async def a_round(database: Database, marks: int = 10_000) -> tuple[int, int]:
    """A round, without what is offered: how many are looked at, and how many rows of all tables are read for that."""
    async with database.transaction() as session:
        # Former transactions count as well until the server has collected what it knows of them, once a second.
        before = (await session.execute(READ)).scalar_one()
        assert await repository.lapsing(session, NOW) == []
        await repository.drop_late(session, NOW.date())
        await repository.mark(session, marks)
        found = await repository.due(session, PLACES * EACH)
        read = (await session.execute(READ)).scalar_one()
        if found:
            await session.execute(SETTLE)
        return len(found), int(read - before)


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[Database]:
    """Ten thousand in line, of whom nobody is due."""
    await migrate(postgres_dsn)
    async with open_database(postgres_dsn, name="test", pool_size=1, seconds=30) as database:
        async with database.transaction() as session:
            for statement in FILL:
                counts = {"places": PLACES, "each": EACH}
                await session.execute(
                    text(statement), {name: n for name, n in counts.items() if f":{name}" in statement}
                )
        async with database.transaction() as session:
            await session.execute(text("ANALYZE"))
        yield database


async def test_a_round_without_news_reads_next_to_nothing(database: Database) -> None:
    found, read = await a_round(database)
    assert (found, read < 20) == (0, True), read


async def touch(database: Database, places: int, *, frees: bool = True) -> None:
    """Time of so many providers is touched, and taken note of for their openings."""
    async with database.transaction() as session:
        await session.execute(text(TOUCH), {"places": places, "frees": frees})
        assert len(await openings.take(session, places)) == places


async def test_where_time_came_free_only_that_line_is_looked_at(database: Database) -> None:
    await touch(database, 1)
    found, read = await a_round(database)
    # A place is looked up for each, or all places are read once.
    assert (found, EACH <= read < 10 * EACH + PLACES) == (EACH, True), read
    assert (await a_round(database))[0] == 0


async def test_where_time_was_only_taken_nobody_is_looked_at(database: Database) -> None:
    await touch(database, 1, frees=False)
    assert (await a_round(database))[0] == 0


async def test_who_comes_back_brings_the_whole_line_with_them(database: Database) -> None:
    async with database.transaction() as session:
        one = (await session.execute(text("SELECT id FROM waitlist_entries LIMIT 1"))).scalar_one()
        await repository.set_waiting(session, one)
    assert (await a_round(database))[0] == EACH


async def test_more_marks_than_one_round_takes_wait_for_the_next(database: Database) -> None:
    await touch(database, PLACES)
    rounds = [(await a_round(database, marks=PLACES // 4))[0] for _ in range(5)]
    assert rounds == [PLACES // 4 * EACH] * 4 + [0]
