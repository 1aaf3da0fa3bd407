"""The migrations against the tables that the code speaks of."""

import asyncio

import asyncpg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from directory.migrate import migrate
from directory.schema import metadata
from millrace_platform.database import sqlalchemy_url


def _differences(connection: Connection) -> list[object]:
    # What an import or the feed keeps in this database is theirs to describe.
    options = {"compare_type": True, "include_name": lambda name, kind, _: kind != "table" or name in metadata.tables}
    found: list[object] = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    return found


async def test_migrations_make_the_tables_that_the_code_knows(postgres_dsn: str) -> None:
    await migrate(postgres_dsn)
    engine = create_async_engine(sqlalchemy_url(postgres_dsn))
    async with engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
    await engine.dispose()


async def test_several_processes_may_migrate_at_once_and_again(postgres_dsn: str) -> None:
    await asyncio.gather(*(migrate(postgres_dsn) for _ in range(3)))
    await migrate(postgres_dsn)
    connection = await asyncpg.connect(postgres_dsn)
    assert await connection.fetchval("SELECT count(*) FROM alembic_version") == 1
    await connection.close()
