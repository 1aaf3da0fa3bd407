"""A dedicated database connection, for work that must not use the connection pool or timeouts of requests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

CONNECT_TIMEOUT = 10.0
COMMAND_TIMEOUT = 60.0
"""Maximum seconds for one statement."""


@asynccontextmanager
async def dedicated_connection(database_url: str, *, name: str) -> AsyncIterator[asyncpg.Connection]:
    """Open a connection outside the pool; `name` identifies it in `pg_stat_activity`."""
    connection = await asyncpg.connect(
        database_url,
        timeout=CONNECT_TIMEOUT,
        command_timeout=COMMAND_TIMEOUT,
        server_settings={"application_name": name},
    )
    try:
        yield connection
    finally:
        # Don't wait for a running statement: its result is no longer needed.
        connection.terminate()


async def stream_rows(
    connection: asyncpg.Connection, query: Select[Any], size: int
) -> AsyncIterator[list[asyncpg.Record]]:
    """Yield the rows of a query in lists of up to `size`. The connection must be in a transaction."""
    # SQLAlchemy publishes its dialects without types. The driver takes a fraction of SQLAlchemy's time for a row.
    compiled = query.compile(dialect=asyncpg_dialect())  # type: ignore[no-untyped-call]
    cursor = await connection.cursor(str(compiled), *compiled.params.values())
    while rows := await cursor.fetch(size):
        yield rows
