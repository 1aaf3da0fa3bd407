"""The migrations make what the code expects."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from millrace_platform.database import sqlalchemy_url
from reviews.migrate import migrate
from reviews.schema import metadata


async def test_the_tables_are_those_of_the_code(postgres_dsn: str) -> None:
    await migrate(postgres_dsn)
    await migrate(postgres_dsn)
    engine = create_async_engine(sqlalchemy_url(postgres_dsn))
    try:
        async with engine.connect() as connection:
            differences = await connection.run_sync(_differences)
    finally:
        await engine.dispose()
    assert differences == [], differences


def _differences(connection: Connection) -> list[object]:
    found = compare_metadata(MigrationContext.configure(connection), metadata)
    return [each for each in found if not (each[0] == "remove_table" and each[1].name in {"outbox", "alembic_version"})]
