"""The transactional outbox: a change and its event are one commit.

A writer inserts its rows *after* it has locked or written the aggregate's row, in the same transaction; then a key's
rows have rising `seq` in version order, however late each transaction commits. Then it notifies `NOTIFY_CHANNEL`.
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
"""One statement, safe to run again. The table is a queue whose rows leave as fast as they come: vacuumed by count."""

OUTBOX_DROP = f"DROP TABLE IF EXISTS {OUTBOX_TABLE}"

OUTBOX_COLUMNS = ("key", "version", "traceparent", "body")
"""The columns a writer fills, in the order of `outbox_record` (asyncpg `copy_records_to_table(columns=…)`)."""

OUTBOX_INSERT = f"INSERT INTO {OUTBOX_TABLE} ({', '.join(OUTBOX_COLUMNS)}) VALUES ($1, $2, $3, $4)"  # noqa: S608 # constants
"""For asyncpg `executemany` over `outbox_record`s."""

NOTIFY_STATEMENT = f"SELECT pg_notify('{NOTIFY_CHANNEL}', '')"
"""Run it in the transaction that wrote rows: it wakes the relay at commit."""


OUTBOX_INSERT_AND_NOTIFY = f"WITH put AS ({OUTBOX_INSERT}) {NOTIFY_STATEMENT}"
"""Both in one round trip, for a single row."""


def telling(effect: str, first: int) -> str:
    """A CTE that writes a row for each of the CTE `effect`; its arguments are an `outbox_record`, from `$first` on.

    Let the statement end with `NOTIFY_STATEMENT FROM effect`.
    """
    key, version, traceparent, body = range(first, first + 4)
    return f"""
told AS (
    INSERT INTO {OUTBOX_TABLE} ({", ".join(OUTBOX_COLUMNS)})
    SELECT ${key}::text, ${version}::bigint, ${traceparent}::text, ${body}::bytea FROM {effect}
)"""  # noqa: S608 # constants


OutboxRecord: TypeAlias = tuple[str, int, str | None, bytes]
"""A row as a writer fills it, in the order of `OUTBOX_COLUMNS`."""


def outbox_record(envelope: Envelope) -> OutboxRecord:
    """The row of an envelope in the order of `OUTBOX_COLUMNS`.

    Raises `RecordTooLarge`: better the change fails than an event that no stream takes holds its key for ever.
    """
    body = encode(envelope)
    weight = len(body) + len(envelope.partitionkey.encode())
    if weight > _RECORD_BYTES:
        raise RecordTooLarge(f"{envelope.subject}: {weight} bytes are more than a record may weigh")
    return (envelope.partitionkey, envelope.entityversion, envelope.traceparent, body)
