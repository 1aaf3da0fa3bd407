"""Sessions on a real PostgreSQL."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from asyncpg.transaction import Transaction
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Column, Integer, MetaData, Table, Text, func, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from millrace_platform.database import Database, ReadSession, open_database, sqlalchemy_url
from millrace_platform.database_tracing import trace_statements
from millrace_platform.errors import TimedOut, Unavailable, Unprocessable

metadata = MetaData()
thing = Table("thing", metadata, Column("id", Integer, primary_key=True), Column("name", Text, nullable=False))

READ_ONLY_VIOLATION = "25006"


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[Database]:
    async with open_database(postgres_dsn, name="test", pool_size=2, seconds=5) as opened:
        async with opened.engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        yield opened


async def names(session: ReadSession) -> list[str]:
    return list((await session.execute(select(thing.c.name).order_by(thing.c.id))).scalars())


async def test_transaction_is_committed_at_end_of_block(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(insert(thing), [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
        assert await names(session) == ["a", "b"]
    async with database.read() as session:
        assert await names(session) == ["a", "b"]
        assert await session.scalar(select(thing.c.name).where(thing.c.id == 2)) == "b"
        assert await session.scalar(select(thing.c.name).where(thing.c.id == 3)) is None


async def test_transaction_is_rolled_back_if_block_raises(database: Database) -> None:
    with pytest.raises(LookupError):
        async with database.transaction() as session:
            await session.execute(insert(thing).values(id=1, name="a"))
            raise LookupError
    async with database.read() as session:
        assert await names(session) == []


async def test_driver_uses_same_transaction(database: Database) -> None:
    with pytest.raises(LookupError):
        async with database.transaction() as session:
            driver = session.driver
            await driver.copy_records_to_table("thing", columns=("id", "name"), records=[(1, "a")])
            assert await names(session) == ["a"]
            raise LookupError
    async with database.read() as session:
        assert await names(session) == []


async def test_connection_commits_each_statement(database: Database) -> None:
    async with database.connection() as connection:
        await connection.driver.execute("INSERT INTO thing VALUES (1, 'a')")
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.driver.execute("INSERT INTO thing VALUES (2, 'b'), (1, 'c')")
        with pytest.raises(LookupError):
            async with connection.transaction() as session:
                await session.execute(insert(thing).values(id=3, name="c"))
                raise LookupError
        async with database.read() as session:
            assert await names(session) == await names(connection) == ["a"]


async def test_waiters_get_connections_in_order(postgres_dsn: str) -> None:
    order: list[int] = []

    async def connect(database: Database, number: int, *, again: bool) -> None:
        async with database.connection():
            order.append(number)
        if again:
            await connect(database, number, again=False)

    async with (
        open_database(postgres_dsn, name="test", pool_size=1, seconds=5) as database,
        asyncio.TaskGroup() as group,
        database.connection(),
    ):
        for number in range(4):
            group.create_task(connect(database, number, again=True))
        await asyncio.sleep(0)
    assert order == [0, 1, 2, 3, 0, 1, 2, 3]


@pytest.mark.parametrize(("seconds", "expected"), [(60.0, 1), (0.0, 3)])
async def test_connections_are_reused_until_they_are_old(
    database: Database, monkeypatch: pytest.MonkeyPatch, seconds: float, expected: int
) -> None:
    monkeypatch.setattr("millrace_platform.database.CONNECTION_SECONDS", seconds)
    pids = set()
    for _ in range(3):
        async with database.connection() as connection:
            pids.add(connection.driver.get_server_pid())
    assert len(pids) == expected


async def test_connection_that_does_not_close_is_aborted(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_connection: AsyncConnection) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("millrace_platform.database.CONNECTION_SECONDS", 0.0)
    monkeypatch.setattr("millrace_platform.database.CLOSE_SECONDS", 0.01)
    async with open_database(postgres_dsn, name="test", pool_size=1, seconds=5) as database:
        async with database.connection() as connection:
            old = connection.driver
        monkeypatch.setattr(AsyncConnection, "aclose", hang)
        await database.check()
        assert old.is_closed()


async def test_database_rejects_writes_of_read_session(database: Database) -> None:
    async with database.read() as session:
        with pytest.raises(Unavailable) as caught:
            await session.execute(insert(thing).values(id=1, name="a"))  # type: ignore[arg-type] # the type check rejects it too
    assert isinstance(caught.value.__cause__, DBAPIError)
    assert getattr(caught.value.__cause__.orig, "sqlstate", None) == READ_ONLY_VIOLATION


async def test_integrity_error_is_raised_unchanged(database: Database) -> None:
    with pytest.raises(IntegrityError) as caught:
        async with database.transaction() as session:
            await session.execute(insert(thing).values(id=1, name="jane"))
            await session.execute(insert(thing).values(id=1, name="jane"))
    assert "jane" not in str(caught.value)


async def test_slow_statement_times_out(postgres_dsn: str) -> None:
    async with open_database(postgres_dsn, name="test", pool_size=1, seconds=2) as database:
        with pytest.raises(TimedOut):
            await run_slow_statement(database)


async def run_slow_statement(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(text("SELECT pg_sleep(60)"))


async def test_exhausted_pool_is_unavailable(postgres_dsn: str) -> None:
    async with open_database(postgres_dsn, name="test", pool_size=1, seconds=2) as database, database.read():
        with pytest.raises(Unavailable):
            await database.check()


async def test_unreachable_server_is_unavailable() -> None:
    async with open_database("postgresql://127.0.0.1:1/none", name="test", pool_size=1, seconds=1) as database:
        with pytest.raises(Unavailable):
            await database.check()


async def test_connection_lost_in_transaction_is_unavailable(database: Database, postgres_dsn: str) -> None:
    """The loss is noticed by the next statement, or else by the commit."""
    terminate = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = :pid")
    for runs_statement in (True, False):
        with pytest.raises(Unavailable):
            async with database.transaction() as session, database.transaction() as other:
                pid = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
                await other.execute(terminate, {"pid": pid})
                if runs_statement:
                    await session.execute(select(1))
        async with database.transaction() as session:
            assert (await session.execute(text("SELECT 1"))).scalar_one() == 1


async def test_connections_lost_while_idle_are_replaced(database: Database, postgres_dsn: str) -> None:
    async with database.transaction() as first, database.transaction() as second:
        idle = [first.driver, second.driver]
        pids = [each.get_server_pid() for each in idle]
    other = await asyncpg.connect(postgres_dsn)
    try:
        await other.execute("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", pids)
    finally:
        await other.close()
    async with asyncio.timeout(10):
        while not all(each.is_closed() for each in idle):  # noqa: ASYNC110 # asyncpg has no event for it
            await asyncio.sleep(0)
    async with database.transaction() as first, database.transaction() as second:
        assert not {first.driver.get_server_pid(), second.driver.get_server_pid()} & set(pids)


async def test_cancelled_transaction_is_rolled_back(postgres_dsn: str) -> None:
    async with open_database(postgres_dsn, name="test", pool_size=1, seconds=5) as database:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), database.transaction() as session:
                await session.execute(text("CREATE TABLE half (id int)"))
                await session.execute(text("SELECT pg_sleep(60)"))
        async with database.read() as after:
            assert await after.scalar(select(func.to_regclass("half"))) is None


@pytest.mark.parametrize("step", ["start", "commit", "rollback"])
@pytest.mark.parametrize("error", [TimeoutError, asyncio.CancelledError])
async def test_connection_cancelled_at_transaction_boundary_is_not_reused(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, step: str, error: type[BaseException]
) -> None:
    """The next transaction is not part of the interrupted one."""
    async with open_database(postgres_dsn, name="test", pool_size=1, seconds=5) as database:
        with monkeypatch.context() as patch, pytest.raises((Unavailable, LookupError, asyncio.CancelledError)):

            async def interrupted(transaction: Transaction) -> None:
                if step == "start":
                    await real(transaction)
                raise error

            real = getattr(Transaction, step)
            patch.setattr(Transaction, step, interrupted)
            async with database.read() as session:
                await session.scalar(select(1))
                if step == "rollback":
                    raise LookupError
        async with database.transaction() as writing:
            await writing.execute(text("CREATE TABLE written (id int)"))
        async with database.read() as reading:
            assert await reading.scalar(select(func.to_regclass("written"))) is not None


async def test_nul_in_text_is_unprocessable(database: Database) -> None:
    async with database.transaction() as session:
        with pytest.raises(Unprocessable) as caught:
            await session.execute(insert(thing).values(id=1, name="a\0b"))
    assert caught.value.errors[0]["detail"] == "A text contains the character NUL."


@pytest.mark.parametrize("number", [2**31, 2**63], ids=["for the column", "for every type"])
async def test_value_out_of_the_columns_range_is_unprocessable(database: Database, number: int) -> None:
    async with database.transaction() as session:
        with pytest.raises(Unprocessable) as caught:
            await session.execute(insert(thing).values(id=number, name="a"))
    assert caught.value.errors[0]["detail"] == "A value is out of range."


async def test_spans_of_statements_contain_no_values(database: Database) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    trace_statements(database.engine.sync_engine, tracer)
    with tracer.start_as_current_span("request") as request:
        async with database.transaction() as session:
            await session.execute(insert(thing).values(id=1, name="jane"))
            with pytest.raises(IntegrityError):
                await session.execute(insert(thing).values(id=1, name="jane"))
    good, bad, _ = exporter.get_finished_spans()
    assert good.name == "INSERT"
    assert good.parent is not None
    assert good.parent.span_id == request.get_span_context().span_id
    assert good.status.is_ok
    assert bad.attributes is not None
    assert bad.attributes["error.type"] == "23505"
    assert "jane" not in good.to_json() + bad.to_json()


@pytest.mark.parametrize("url", ["mysql://host/db", "host/db", ""])
def test_url_of_other_database_is_rejected(url: str) -> None:
    with pytest.raises(ValueError, match="postgresql://"):
        sqlalchemy_url(url)


WRITES = """
from sqlalchemy import Column, Integer, MetaData, Table, delete, insert, select, text, union, update
from millrace_platform.database import ReadSession, Session

thing = Table("thing", MetaData(), Column("id", Integer))

async def reads(session: ReadSession) -> None:
    await session.execute(select(thing))
    await session.execute(union(select(thing.c.id), select(thing.c.id)))

async def writes(session: Session) -> None:
    await reads(session)
    await session.execute(insert(thing).values(id=1))
    await session.execute(text("TRUNCATE thing"))

async def writes_in_read_session(session: ReadSession) -> None:
    await session.execute(insert(thing).values(id=1))
    await session.execute(insert(thing).values(id=1).returning(thing.c.id))
    await session.execute(update(thing).values(id=1))
    await session.execute(delete(thing))
    await session.execute(text("TRUNCATE thing"))
    await session.scalar(delete(thing).returning(thing.c.id))
    await writes(session)
"""


def test_type_check_rejects_writes_of_read_session(tmp_path: Path) -> None:
    source = tmp_path / "violations.py"
    source.write_text(WRITES)
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary", str(source)]
    checked = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    first = WRITES.splitlines().index("async def writes_in_read_session(session: ReadSession) -> None:") + 2
    lines = {int(line.split(":")[1]) for line in checked.stdout.splitlines() if ": error:" in line}
    assert lines == set(range(first, first + 7)), checked.stdout + checked.stderr
