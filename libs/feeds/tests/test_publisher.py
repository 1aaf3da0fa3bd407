import asyncio
import random
from collections.abc import Sequence

import pytest

from millrace_feeds.errors import PublishError, RecordTooLarge, Unavailable
from millrace_feeds.faults import FaultRates, Faults
from millrace_feeds.memory import MemoryTransport
from millrace_feeds.outgoing import Parcel
from millrace_feeds.publisher import Publisher
from millrace_feeds.settings import Backoff, PublisherSettings
from millrace_feeds.testing import VirtualClock, run_virtual
from millrace_feeds.transport import Limits, Outgoing

STREAM = "entities"


def memory(rates: FaultRates | None = None, seed: int = 0, limits: Limits | None = None) -> MemoryTransport:
    source = random.Random(seed)
    transport = MemoryTransport(
        clock=VirtualClock(),
        faults=Faults(rates or FaultRates(), source),
        latency=lambda: source.uniform(0, 0.05),
        limits=limits,
    )
    transport.create_stream(STREAM, 2)
    return transport


def parcels(count: int, keys: int) -> list[Parcel]:
    return [Parcel(n, f"key-{n % keys}", b"%d" % n) for n in range(count)]


def last_copies(transport: MemoryTransport, key: str) -> list[int]:
    """A key's records, each where its last copy is: what a reader stands at after repeats."""
    bodies = [
        int(record.body)
        for shard in transport.all_shards(STREAM)
        for record in transport.records(STREAM, shard.shard_id)
        if record.key == key
    ]
    last = {body: index for index, body in enumerate(bodies)}
    return sorted(last, key=lambda body: last[body])


@pytest.mark.parametrize("seed", range(10))
def test_whatever_fails_everything_arrives_and_each_keys_last_copies_are_in_order(seed: int) -> None:
    rates = FaultRates(rejected=0.1, lost=0.1, ambiguous=0.1, throttled=0.1)
    transport = memory(rates, seed, Limits(records=10))
    settings = PublisherSettings(attempts=50, backoff=Backoff(0.01, 2, 0.1))
    run_virtual(Publisher(transport=transport, stream=STREAM, settings=settings).publish_parcels(parcels(200, 9)))
    for key in range(9):
        assert last_copies(transport, f"key-{key}") == list(range(key, 200, 9))


def test_what_stays_refused_is_an_error_after_bounded_attempts() -> None:
    publisher = Publisher(transport=memory(FaultRates(throttled=1.0)), stream=STREAM)
    with pytest.raises(PublishError, match="after 8 attempts"):
        run_virtual(publisher.publish_parcels(parcels(3, 3)))


def test_a_stream_that_is_not_there_is_an_outage_to_the_caller() -> None:
    publisher = Publisher(transport=memory(), stream="nowhere")
    with pytest.raises(Unavailable, match="nowhere"):
        run_virtual(publisher.publish_parcels(parcels(1_200, 1_200)))


def test_a_record_that_is_too_large_is_named_before_anything_is_sent() -> None:
    transport = memory()
    publisher = Publisher(transport=transport, stream=STREAM)
    with pytest.raises(RecordTooLarge, match="heavy"):
        run_virtual(publisher.publish_parcels([*parcels(1, 1), Parcel(1, "heavy", b"x" * 2**20)]))
    assert all(not transport.records(STREAM, shard.shard_id) for shard in transport.all_shards(STREAM))


def test_a_request_that_hangs_is_given_up_and_repeated() -> None:
    class Hanging(MemoryTransport):
        hangs = True

        async def put_records(self, stream: str, records: Sequence[Outgoing]) -> Sequence[str | None]:
            outcomes = await super().put_records(stream, records)
            if self.hangs:
                self.hangs = False
                await asyncio.Event().wait()
            return outcomes

    transport = Hanging(clock=VirtualClock())
    transport.create_stream(STREAM)
    run_virtual(Publisher(transport=transport, stream=STREAM).publish_parcels(parcels(2, 1)))
    bodies = [record.body for record in transport.records(STREAM, "shardId-000000000000")]
    assert bodies == [b"0", b"1", b"0", b"1"]
