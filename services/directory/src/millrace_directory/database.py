"""A connection of one's own, for what must not hold one of the requests' pool or keep to its timeouts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

CONNECT_TIMEOUT = 10.0
COMMAND_TIMEOUT = 60.0
"""Seconds for one statement."""


@asynccontextmanager
async def own_connection(database_url: str, *, name: str) -> AsyncIterator[asyncpg.Connection]:
    """`name` is shown in `pg_stat_activity`."""
    connection = await asyncpg.connect(
        database_url,
        timeout=CONNECT_TIMEOUT,
        command_timeout=COMMAND_TIMEOUT,
        server_settings={"application_name": name},
    )
    try:
        yield connection
    finally:
        # At once: whatever is under way here is meant for nobody any more.
        connection.terminate()


async def stream(connection: asyncpg.Connection, query: Select[Any], size: int) -> AsyncIterator[list[asyncpg.Record]]:
    """The rows of a query in lists of up to `size`, from a cursor of the server; within a transaction."""
    # SQLAlchemy publishes its dialects without types. Past it, a row costs a fraction of the time.
    compiled = query.compile(dialect=asyncpg_dialect())  # type: ignore[no-untyped-call]
    cursor = await connection.cursor(str(compiled), *compiled.params.values())
    while rows := await cursor.fetch(size):
        yield rows
