"""Snapshot of all entities at one moment, with which `millrace verify` compares the copies in other services."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import msgspec

from millrace_directory.database import dedicated_connection, stream_rows
from millrace_directory.insurance_plan.repository import INSURANCE_PLANS
from millrace_directory.location.repository import LOCATIONS
from millrace_directory.practice.repository import PRACTICES
from millrace_directory.provider.repository import PROVIDERS
from millrace_directory.provider_location.repository import PROVIDER_LOCATIONS
from millrace_directory.wire import Kind, Row

KINDS: tuple[Kind[Any], ...] = (INSURANCE_PLANS, LOCATIONS, PRACTICES, PROVIDER_LOCATIONS, PROVIDERS)
"""All kinds of entities, sorted like their subjects: `provider-location/…` is before `provider/…`, as `-` is before
`/`.
"""
NDJSON = "application/x-ndjson"
CHUNK_ROWS = 500
"""Number of rows that are read and sent at a time."""

_encoder = msgspec.json.Encoder()


async def snapshot(database_url: str, progress: Callable[[], None]) -> AsyncIterator[bytes]:
    """Yield lines of JSON `{"subject", "version", "data"}` sorted by subject; `data` is null for a tombstone.

    All lines are from one transaction. `progress` is called before each chunk. At most `CHUNK_ROWS` rows are in memory.
    """
    async with (
        dedicated_connection(database_url, name="directory-snapshot") as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        for kind in KINDS:
            async for rows in stream_rows(connection, kind.query_after(None), CHUNK_ROWS):
                progress()
                yield _lines(kind, rows)


def _lines(kind: Kind[Any], rows: Iterable[Row]) -> bytes:
    return _encoder.encode_lines(
        {"subject": each.subject, "version": each.version, "data": None if each.deleted else each.entity}
        for each in map(kind.versioned, rows)
    )
