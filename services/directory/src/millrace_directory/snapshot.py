"""Everything that the directory holds, at one moment: what `millrace verify` compares the truth with."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import msgspec

from millrace_directory.database import own_connection, stream
from millrace_directory.kinds import KINDS
from millrace_directory.wire import Kind, Row

NDJSON = "application/x-ndjson"
ROWS = 500
"""Rows that are held and sent at a time."""

_encoder = msgspec.json.Encoder()


async def snapshot(database_url: str, progress: Callable[[], None]) -> AsyncIterator[bytes]:
    """Lines of JSON in the order of the subjects: `{"subject", "version", "data"}`, data null for a tombstone.

    All lines are of one moment. `progress` is called before each part is made. Memory is that of `ROWS` rows, however
    many there are.
    """
    async with (
        own_connection(database_url, name="directory-snapshot") as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        for kind in KINDS:
            async for rows in stream(connection, kind.behind(None), ROWS):
                progress()
                yield _lines(kind, rows)


def _lines(kind: Kind[Any], rows: Iterable[Row]) -> bytes:
    return _encoder.encode_lines(
        {
            "subject": written.subject,
            "version": written.version,
            "data": None if written.deleted else written.entity,
        }
        for written in map(kind.written, rows)
    )
