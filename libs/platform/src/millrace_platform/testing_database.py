"""Compare a migrated database with the tables that the code declares, in tests of services with a database."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import create_async_engine

from millrace_platform.database import sqlalchemy_url


async def schema_differences(
    dsn: str, metadata: MetaData, *, ignored: frozenset[str] = frozenset({"outbox"})
) -> list[object]:
    """Return the changes that Alembic would generate, none if equal. `ignored`: tables that other packages declare."""
    engine = create_async_engine(sqlalchemy_url(dsn))
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(lambda sync: _compare(sync, metadata, ignored))
    finally:
        await engine.dispose()


def _compare(connection: Connection, metadata: MetaData, ignored: frozenset[str]) -> list[object]:
    options = {"compare_type": True, "include_name": lambda name, kind, _: kind != "table" or name not in ignored}
    found: list[object] = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    return found
