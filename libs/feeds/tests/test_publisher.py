import asyncio
import random
from collections.abc import Sequence

import pytest

from millrace_feeds.backoff import Backoff
from millrace_feeds.errors import PublishError, RecordTooLarge, Unavailable
from millrace_feeds.faults import FaultInjector, FaultRates
from millrace_feeds.memory import MemoryTransport
from millrace_feeds.publish_queue import QueuedRecord
from millrace_feeds.publisher import Publisher
from millrace_feeds.settings import PublisherSettings
from millrace_feeds.testing import VirtualClock, run_virtual
from millrace_feeds.transport import Limits, OutgoingRecord

STREAM = "entities"


def memory_transport(rates: FaultRates | None = None, seed: int = 0, limits: Limits | None = None) -> MemoryTransport:
    source = random.Random(seed)
    transport = MemoryTransport(
        clock=VirtualClock(),
        faults=FaultInjector(rates or FaultRates(), source),
        latency=lambda: source.uniform(0, 0.05),
        limits=limits,
    )
    transport.create_stream(STREAM, 2)
    return transport


def queued_records(count: int, keys: int) -> list[QueuedRecord]:
    return [QueuedRecord(n, f"key-{n % keys}", b"%d" % n) for n in range(count)]


def last_copies(transport: MemoryTransport, key: str) -> list[int]:
    """Return the key's records in the order of their last copies."""
    bodies = [
        int(record.body)
        for shard in transport.all_shards(STREAM)
        for record in transport.records(STREAM, shard.shard_id)
        if record.key == key
    ]
    last = {body: index for index, body in enumerate(bodies)}
    return sorted(last, key=lambda body: last[body])


@pytest.mark.parametrize("seed", range(10))
def test_all_records_arrive_in_order_under_random_faults(seed: int) -> None:
    rates = FaultRates(rejected=0.1, lost=0.1, ambiguous=0.1, throttled=0.1)
    transport = memory_transport(rates, seed, Limits(records=10))
    settings = PublisherSettings(attempts=50, backoff=Backoff(0.01, 2, 0.1))
    run_virtual(
        Publisher(transport=transport, stream=STREAM, settings=settings).publish_records(queued_records(200, 9))
    )
    for key in range(9):
        assert last_copies(transport, f"key-{key}") == list(range(key, 200, 9))


def test_publish_fails_after_bounded_attempts() -> None:
    publisher = Publisher(transport=memory_transport(FaultRates(throttled=1.0)), stream=STREAM)
    with pytest.raises(PublishError, match="after 8 attempts"):
        run_virtual(publisher.publish_records(queued_records(3, 3)))


def test_missing_stream_raises_unavailable() -> None:
    publisher = Publisher(transport=memory_transport(), stream="nowhere")
    with pytest.raises(Unavailable, match="nowhere"):
        run_virtual(publisher.publish_records(queued_records(1_200, 1_200)))


def test_record_too_large_is_rejected_before_sending() -> None:
    transport = memory_transport()
    publisher = Publisher(transport=transport, stream=STREAM)
    with pytest.raises(RecordTooLarge, match="heavy"):
        run_virtual(publisher.publish_records([*queued_records(1, 1), QueuedRecord(1, "heavy", b"x" * 2**20)]))
    assert all(not transport.records(STREAM, shard.shard_id) for shard in transport.all_shards(STREAM))


def test_hanging_request_times_out_and_is_repeated() -> None:
    class HangingTransport(MemoryTransport):
        hangs = True

        async def put_records(self, stream: str, records: Sequence[OutgoingRecord]) -> Sequence[str | None]:
            outcomes = await super().put_records(stream, records)
            if self.hangs:
                self.hangs = False
                await asyncio.Event().wait()
            return outcomes

    transport = HangingTransport(clock=VirtualClock())
    transport.create_stream(STREAM)
    run_virtual(Publisher(transport=transport, stream=STREAM).publish_records(queued_records(2, 1)))
    bodies = [record.body for record in transport.records(STREAM, "shardId-000000000000")]
    assert bodies == [b"0", b"1", b"0", b"1"]
