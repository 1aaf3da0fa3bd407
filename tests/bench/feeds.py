"""Throughput of the consumer on the memory transport."""

import asyncio
import json
import time
from collections.abc import Sequence

import msgspec

from millrace_contracts.envelope import Envelope, encode
from millrace_feeds.consumer import Consumer
from millrace_feeds.dead_letters import MemoryDeadLetterStore
from millrace_feeds.lease import MemoryLeaseStore
from millrace_feeds.memory import MemoryTransport
from millrace_feeds.settings import ConsumerSettings
from millrace_feeds.transport import Limits, OutgoingRecord, Record

STREAM = "changes"
KEYS = 5_000


class _Counting:
    """A handler that only counts, so that the consumer's own work is measured."""

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
    """Return records per second of processor time and records per call of the handler.

    One worker reads, orders, handles and checkpoints all records.
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
    began = time.process_time()
    running = asyncio.create_task(consumer.run())
    await handler.done.wait()
    cpu = time.process_time() - began
    running.cancel()
    await asyncio.wait([running])
    return {"records_per_core_s": records / cpu, "records_per_call": records / handler.calls}
