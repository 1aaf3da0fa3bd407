"""Throughput of the consumer on the memory transport and of the relay from PostgreSQL to Kinesis."""

import asyncio
import json
import logging
import time
from collections.abc import Sequence

import asyncpg
import msgspec

from millrace_contracts.envelope import Envelope, encode
from millrace_feeds.consumer import Consumer
from millrace_feeds.dead_letters import MemoryDeadLetterStore
from millrace_feeds.lease import MemoryLeaseStore
from millrace_feeds.memory import MemoryTransport
from millrace_feeds.outbox import OUTBOX_COLUMNS, OUTBOX_DDL, OUTBOX_TABLE
from millrace_feeds.relay import Relay
from millrace_feeds.settings import ConsumerSettings
from millrace_feeds.transport import Limits, OutgoingRecord, Record
from millrace_feeds.wiring import open_publisher

STREAM = "changes"
KEYS = 5_000


class _Counting:
    """A handler that only counts, so that the consumer is measured."""

    def __init__(self, expected: int) -> None:
        self._left = expected
        self.calls = 0
        self.done = asyncio.Event()

    async def handle(self, records: Sequence[Record]) -> None:
        self.calls += 1
        self._left -= len(records)
        if self._left <= 0:
            self.done.set()


def _bodies(count: int) -> list[OutgoingRecord]:
    data = msgspec.Raw(json.dumps({"npi": "1093711111", "name": "x" * 700}).encode())
    return [
        OutgoingRecord(
            f"provider/{n % KEYS}",
            encode(
                Envelope(
                    id=f"0190a0a0-0000-7000-8000-{n:012d}",
                    source="/services/directory",
                    type="millrace.provider.updated",
                    subject=f"provider/{n % KEYS}",
                    time="2026-01-01T00:00:00.000000Z",
                    dataschema="urn:millrace:provider:1",
                    partitionkey=f"provider/{n % KEYS}",
                    entityversion=1 + n // KEYS,
                    data=data,
                )
            ),
        )
        for n in range(count)
    ]


async def consumer_overhead(records: int = 200_000, shards: int = 2) -> dict[str, float]:
    """Measure records per second of processor time through one worker: read, ordered, handled, checkpointed.

    Also return the wall-clock rate and the records per call of the handler.
    """
    transport = MemoryTransport(limits=Limits(records=records, request_bytes=2**40))
    transport.create_stream(STREAM, shards)
    await transport.put_records(STREAM, _bodies(records))
    handler = _Counting(records)
    consumer = Consumer(
        application="bench",
        stream=STREAM,
        transport=transport,
        leases=MemoryLeaseStore(),
        dead_letters=MemoryDeadLetterStore(),
        handler=handler,
        worker="bench",
        settings=ConsumerSettings(poll_interval=0.0),
    )
    wall, cpu = time.perf_counter(), time.process_time()
    running = asyncio.create_task(consumer.run())
    await handler.done.wait()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    running.cancel()
    await asyncio.wait([running])
    return {
        "records_per_core_s": records / cpu,
        "records_per_s": records / wall,
        "records_per_call": records / handler.calls,
    }


async def relay_throughput(database_url: str, stream: str, rows: int = 50_000) -> dict[str, float]:
    """Measure rows per second from an outbox in an empty database into an existing stream."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(OUTBOX_DDL)
    await connection.copy_records_to_table(
        OUTBOX_TABLE,
        records=[(row.key, 1 + n // KEYS, None, row.body) for n, row in enumerate(_bodies(rows))],
        columns=list(OUTBOX_COLUMNS),
    )
    async with open_publisher(stream) as publisher:
        wall, cpu = time.perf_counter(), time.process_time()
        running = asyncio.create_task(Relay(database_url=database_url, publisher=publisher).run())
        # The outbox gives no event to wait for.
        while await connection.fetchval(  # noqa: ASYNC110
            f"SELECT EXISTS (SELECT FROM {OUTBOX_TABLE})"  # noqa: S608 # a constant
        ):
            await asyncio.sleep(0.05)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        running.cancel()
        await asyncio.wait([running])
    await connection.close()
    return {"rows_per_s": rows / wall, "rows_per_core_s": rows / cpu}


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    print(json.dumps(asyncio.run(consumer_overhead()), indent=2))
