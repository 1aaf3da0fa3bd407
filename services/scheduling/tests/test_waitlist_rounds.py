"""What a round of the waitlist costs: what changed, and not who waits."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from millrace_platform.database import Database, open_database
from scheduling.migrate import migrate
from scheduling.waitlist import repository

PLACES, EACH = 500, 20
FILL = (
    """
    INSERT INTO places (id, npi, time_zone, deleted, version)
    SELECT gen_random_uuid(), 1000000000 + n, 'America/New_York', false, 1 FROM generate_series(1, :places) n
    """,
    """
    INSERT INTO openings (place_id, week, version, seq) SELECT id, date '2026-11-16' + 7 * n, 1, nextval('openings_seq')
    FROM places, generate_series(1, 9) n
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
SETTLE = text("UPDATE waitlist_entries SET seen = :seq WHERE state = 'waiting' AND seen = -1")
READ = text("SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables")


async def a_round(database: Database, changes: int = 10_000) -> tuple[int, int]:
    """A round, without what is offered: how many are looked at, and how many rows of all tables are read for that."""
    async with database.transaction() as session:
        # Former transactions count as well until the server has collected what it knows of them, once a second.
        before = (await session.execute(READ)).scalar_one()
        assert await repository.lapsing(session, NOW) == []
        await repository.drop_late(session, NOW.date())
        seq = await repository.mark(session, changes)
        found = await repository.marked(session, seq, PLACES * EACH)
        read = (await session.execute(READ)).scalar_one()
        if found:
            await session.execute(SETTLE, {"seq": seq})
        return len(found), int(read - before)


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[Database]:
    """Ten thousand in line, who all were looked at."""
    await migrate(postgres_dsn)
    async with open_database(postgres_dsn, name="test", pool_size=1, seconds=30) as database:
        async with database.transaction() as session:
            for statement in FILL:
                counts = {"places": PLACES, "each": EACH}
                await session.execute(
                    text(statement), {name: n for name, n in counts.items() if f":{name}" in statement}
                )
        assert (await a_round(database))[0] == PLACES * EACH
        async with database.transaction() as session:
            await session.execute(text("ANALYZE"))
        yield database


async def test_a_round_without_news_reads_next_to_nothing(database: Database) -> None:
    found, read = await a_round(database)
    assert (found, read < 20) == (0, True), read


async def test_where_openings_changed_only_that_line_is_looked_at(database: Database) -> None:
    async with database.transaction() as session:
        place = (await session.execute(text("SELECT place_id FROM openings LIMIT 1"))).scalar_one()
        changed = text("UPDATE openings SET seq = nextval('openings_seq') WHERE place_id = :place")
        await session.execute(changed, {"place": place})
    found, read = await a_round(database)
    # A place is looked up for each, or all places are read once.
    assert (found, EACH <= read < 10 * EACH + PLACES) == (EACH, True), read
    assert (await a_round(database))[0] == 0


async def test_who_is_new_brings_the_whole_line_with_them(database: Database) -> None:
    async with database.transaction() as session:
        one = "(SELECT id FROM waitlist_entries LIMIT 1)"
        await session.execute(text(f"UPDATE waitlist_entries SET seen = 0 WHERE id = {one}"))  # noqa: S608
    assert (await a_round(database))[0] == EACH


async def test_more_changes_than_one_round_takes_wait_for_the_next(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(text("UPDATE openings SET seq = nextval('openings_seq') WHERE week = '2026-11-23'"))
    rounds = [(await a_round(database, changes=PLACES // 4))[0] for _ in range(5)]
    assert rounds == [PLACES // 4 * EACH] * 4 + [0]
