"""Contract of all transports."""

import time

import pytest

from millrace_feeds.errors import NotFound
from millrace_feeds.transport import LATEST, TRIM_HORIZON, OutgoingRecord, Record, ShardIterator

from .conftest import Feed


async def read(feed: Feed, shard_id: str, after: str = TRIM_HORIZON) -> list[Record]:
    iterator: ShardIterator | None = await feed.transport.open_iterator(feed.stream, shard_id, after)
    records: list[Record] = []
    while iterator is not None:
        page = await feed.transport.get_records(iterator, 3)
        if not page.records and page.behind_ms == 0:
            break
        records += page.records
        iterator = page.next
    return records


async def read_all(feed: Feed) -> list[Record]:
    shards = await feed.transport.list_shards(feed.stream)
    return [record for shard in shards for record in await read(feed, shard.shard_id)]


async def test_records_are_read_in_order_per_key(feed: Feed) -> None:
    written = [OutgoingRecord(f"key-{n % 4}", str(n).encode()) for n in range(40)]
    outcomes = await feed.transport.put_records(feed.stream, written)
    assert list(outcomes) == [None] * 40
    records = await read_all(feed)
    assert sorted(int(record.body) for record in records) == list(range(40))
    for key in {record.key for record in records}:
        of_key = [record for record in records if record.key == key]
        assert [record.body for record in of_key] == [body for k, body in written if k == key]
        assert len({record.shard_id for record in of_key}) == 1


async def test_record_has_stream_key_and_arrival(feed: Feed) -> None:
    await feed.transport.put_records(feed.stream, [OutgoingRecord("ключ", b"\x00\xff")])
    (record,) = await read_all(feed)
    assert (record.stream, record.key, record.body) == (feed.stream, "ключ", b"\x00\xff")
    assert abs(record.arrived - time.time()) < 60


async def test_read_after_sequence_number(feed: Feed) -> None:
    await feed.transport.put_records(feed.stream, [OutgoingRecord("key", str(n).encode()) for n in range(7)])
    records = await read_all(feed)
    after = await read(feed, records[2].shard_id, records[2].sequence)
    assert [record.body for record in after] == [b"3", b"4", b"5", b"6"]


async def test_read_from_latest_returns_only_new_records(feed: Feed) -> None:
    await feed.transport.put_records(feed.stream, [OutgoingRecord("key", b"before")])
    (record,) = await read_all(feed)
    iterator = await feed.transport.open_iterator(feed.stream, record.shard_id, LATEST)
    await feed.transport.put_records(feed.stream, [OutgoingRecord("key", b"after")])
    page = await feed.transport.get_records(iterator, 10)
    assert [record.body for record in page.records] == [b"after"]


async def test_empty_page_is_not_end_of_open_shard(feed: Feed) -> None:
    shard = (await feed.transport.list_shards(feed.stream))[0]
    iterator = await feed.transport.open_iterator(feed.stream, shard.shard_id, TRIM_HORIZON)
    page = await feed.transport.get_records(iterator, 10)
    assert page.records == ()
    assert page.next is not None


async def test_shards_cover_all_hash_keys(feed: Feed) -> None:
    shards = sorted(await feed.transport.list_shards(feed.stream), key=lambda shard: int(shard.starting_hash_key))
    assert [shard.parents for shard in shards] == [(), ()]
    assert int(shards[0].starting_hash_key) == 0
    assert int(shards[0].ending_hash_key) + 1 == int(shards[1].starting_hash_key)
    assert int(shards[1].ending_hash_key) == 2**128 - 1


async def test_missing_stream_raises_not_found_with_name(feed: Feed) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        await feed.transport.put_records("nowhere", [OutgoingRecord("key", b"")])
    with pytest.raises(NotFound, match="nowhere"):
        await feed.transport.list_shards("nowhere")
    with pytest.raises(NotFound, match="nowhere"):
        await feed.transport.open_iterator("nowhere", "shardId-000000000000", TRIM_HORIZON)
