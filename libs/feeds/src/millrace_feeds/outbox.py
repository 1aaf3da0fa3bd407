"""The transactional outbox: a change and its event are committed together.

A writer inserts outbox rows in the transaction of the change, *after* it locked or wrote the aggregate's row. This
makes the `seq` of a key's rows increase with the version. Then it notifies `NOTIFY_CHANNEL`.
"""

from typing import TypeAlias

from millrace_contracts.envelope import Envelope, encode
from millrace_feeds.errors import RecordTooLarge
from millrace_feeds.transport import Limits

OUTBOX_TABLE = "outbox"
NOTIFY_CHANNEL = "millrace_outbox"
_RECORD_BYTES = Limits().record_bytes

OUTBOX_DDL = f"""
CREATE TABLE IF NOT EXISTS {OUTBOX_TABLE} (
    seq         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key         text NOT NULL,
    version     bigint NOT NULL,
    traceparent text,
    body        bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, fillfactor = 100)
"""
"""Creates the table; safe to run again. Autovacuum runs by row count, because rows are removed as fast as inserted."""

OUTBOX_COLUMNS = ("key", "version", "traceparent", "body")
"""The column names of a `NewOutboxRow` in order (for asyncpg's `copy_records_to_table(columns=…)`)."""

OUTBOX_INSERT = f"INSERT INTO {OUTBOX_TABLE} ({', '.join(OUTBOX_COLUMNS)}) VALUES ($1, $2, $3, $4)"  # noqa: S608 # constants
"""Inserts a `NewOutboxRow` (for asyncpg's `executemany`)."""

NOTIFY_STATEMENT = f"SELECT pg_notify('{NOTIFY_CHANNEL}', '')"
"""Wakes the relay at commit; run it in the transaction that inserted the rows."""

OUTBOX_INSERT_AND_NOTIFY = f"WITH put AS ({OUTBOX_INSERT}) {NOTIFY_STATEMENT}"
"""Inserts a single row and wakes the relay in one round trip."""


def insert_outbox_row_cte(effect: str, first: int) -> str:
    """Return the SQL of a CTE that inserts an outbox row for each row of the CTE `effect`.

    Its parameters `$first` to `$first+3` are the values of a `NewOutboxRow`. End the statement with
    `NOTIFY_STATEMENT FROM effect`, which wakes the relay.
    """
    key, version, traceparent, body = range(first, first + 4)
    return f"""
outbox_row AS (
    INSERT INTO {OUTBOX_TABLE} ({", ".join(OUTBOX_COLUMNS)})
    SELECT ${key}::text, ${version}::bigint, ${traceparent}::text, ${body}::bytea FROM {effect}
)"""  # noqa: S608 # constants


NewOutboxRow: TypeAlias = tuple[str, int, str | None, bytes]
"""The values of a row to insert, in the order of `OUTBOX_COLUMNS`."""


def new_outbox_row(envelope: Envelope) -> NewOutboxRow:
    """Return the outbox row of an envelope.

    Raises `RecordTooLarge` above 1 MiB, so that the change fails: a row that no stream accepts would block its key.
    """
    body = encode(envelope)
    size = len(body) + len(envelope.partitionkey.encode())
    if size > _RECORD_BYTES:
        raise RecordTooLarge(f"{envelope.subject}: {size} bytes exceed the limit of {_RECORD_BYTES}")
    return (envelope.partitionkey, envelope.entityversion, envelope.traceparent, body)
