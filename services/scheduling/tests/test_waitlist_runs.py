"""The cost of a waitlist run depends on the marks of freed time, not on the number of entries."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from millrace_platform.database import Database, open_database
from millrace_scheduling.migrate import migrate
from millrace_scheduling.openings import repository as openings
from millrace_scheduling.waitlist import repository

LOCATIONS, ENTRIES_EACH = 500, 20
FILL = (
    """
    INSERT INTO provider_locations (id, npi, time_zone, is_deleted, version)
    SELECT gen_random_uuid(), 1000000000 + n, 'America/New_York', false, 1 FROM generate_series(1, :locations) n
    """,
    """
    INSERT INTO waitlist_entries (id, provider_location_id, patient_id, mode, patient_kind, first_day, last_day, state,
        created_at)
    SELECT gen_random_uuid(), id, gen_random_uuid(), 'in_person', 'new', '2026-11-20', '2026-11-30', 'waiting', now()
    FROM provider_locations, generate_series(1, :each)
    """,
    # Offers that ended long ago.
    """
    INSERT INTO waitlist_offers (id, version, state, entry_id, reservation_id, start, minutes, expires_at)
    SELECT gen_random_uuid(), 2, 'lapsed', id, gen_random_uuid(), now(), 30, now() FROM waitlist_entries
    """,
)
NOW = datetime(2026, 11, 18, tzinfo=UTC)
SETTLE = text("UPDATE waitlist_entries SET is_due = false WHERE is_due")
TOUCH = """
INSERT INTO dirty_openings (npi, changed_from, changed_until, may_free_time)
SELECT npi, timestamptz '2026-11-20', timestamptz '2026-11-21', :may_free_time FROM provider_locations
ORDER BY npi LIMIT :locations
"""
READ = text("SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables")


async def run_once(database: Database, marks: int = 10_000) -> tuple[int, int]:
    """Run all steps up to the offers; return the number of due entries and of rows read from all tables."""
    async with database.transaction() as session:
        # The server adds the statistics of earlier transactions once a second, so count from the current value.
        before = (await session.execute(READ)).scalar_one()
        assert await repository.list_expired_offers(session, NOW) == []
        await repository.close_past_entries(session, NOW.date())
        await repository.mark_due(session, marks)
        found = await repository.list_due(session, LOCATIONS * ENTRIES_EACH)
        read = (await session.execute(READ)).scalar_one()
        if found:
            await session.execute(SETTLE)
        return len(found), int(read - before)


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[Database]:
    """Fill a database with ten thousand entries, none of them due."""
    await migrate(postgres_dsn)
    async with open_database(postgres_dsn, name="test", pool_size=1, seconds=30) as database:
        async with database.transaction() as session:
            for statement in FILL:
                counts = {"locations": LOCATIONS, "each": ENTRIES_EACH}
                await session.execute(
                    text(statement), {name: n for name, n in counts.items() if f":{name}" in statement}
                )
        async with database.transaction() as session:
            await session.execute(text("ANALYZE"))
        yield database


async def test_run_without_marks_reads_next_to_nothing(database: Database) -> None:
    found, read = await run_once(database)
    assert (found, read < 20) == (0, True), read


async def touch(database: Database, locations: int, *, may_free_time: bool = True) -> None:
    """Mark time of `locations` providers as dirty, and consume the marks as the publisher of openings does."""
    async with database.transaction() as session:
        await session.execute(text(TOUCH), {"locations": locations, "may_free_time": may_free_time})
        assert len(await openings.take_marks(session, locations)) == locations


async def test_only_the_line_with_free_time_is_checked(database: Database) -> None:
    await touch(database, 1)
    found, read = await run_once(database)
    # PostgreSQL looks up a location for each entry, or reads all locations once.
    assert (found, ENTRIES_EACH <= read < 10 * ENTRIES_EACH + LOCATIONS) == (ENTRIES_EACH, True), read
    assert (await run_once(database))[0] == 0


async def test_reserved_time_checks_no_line(database: Database) -> None:
    await touch(database, 1, may_free_time=False)
    assert (await run_once(database))[0] == 0


async def test_requeued_entry_makes_its_whole_line_due(database: Database) -> None:
    async with database.transaction() as session:
        one = (await session.execute(text("SELECT id FROM waitlist_entries LIMIT 1"))).scalar_one()
        await repository.requeue(session, one)
    assert (await run_once(database))[0] == ENTRIES_EACH


async def test_marks_beyond_the_limit_wait_for_the_next_run(database: Database) -> None:
    await touch(database, LOCATIONS)
    rounds = [(await run_once(database, marks=LOCATIONS // 4))[0] for _ in range(5)]
    assert rounds == [LOCATIONS // 4 * ENTRIES_EACH] * 4 + [0]
