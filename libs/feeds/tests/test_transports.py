"""What every transport owes, over all of them."""

import time

import pytest

from millrace_feeds.errors import NotFound
from millrace_feeds.transport import LATEST, TRIM_HORIZON, Outgoing, Record, ShardIterator

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


async def test_what_is_written_is_read_in_order_per_key(feed: Feed) -> None:
    written = [Outgoing(f"key-{n % 4}", str(n).encode()) for n in range(40)]
    outcomes = await feed.transport.put_records(feed.stream, written)
    assert list(outcomes) == [None] * 40
    records = await read_all(feed)
    assert sorted(int(record.body) for record in records) == list(range(40))
    for key in {record.key for record in records}:
        mine = [record for record in records if record.key == key]
        assert [record.body for record in mine] == [body for k, body in written if k == key]
        assert len({record.shard_id for record in mine}) == 1


async def test_a_record_tells_where_it_is_from(feed: Feed) -> None:
    await feed.transport.put_records(feed.stream, [Outgoing("ключ", b"\x00\xff")])
    (record,) = await read_all(feed)
    assert (record.stream, record.key, record.body) == (feed.stream, "ключ", b"\x00\xff")
    assert abs(record.arrived - time.time()) < 60


async def test_reading_goes_on_behind_a_sequence_number(feed: Feed) -> None:
    await feed.transport.put_records(feed.stream, [Outgoing("key", str(n).encode()) for n in range(7)])
    records = await read_all(feed)
    after = await read(feed, records[2].shard_id, records[2].sequence)
    assert [record.body for record in after] == [b"3", b"4", b"5", b"6"]


async def test_reading_from_the_tip_sees_only_what_comes(feed: Feed) -> None:
    await feed.transport.put_records(feed.stream, [Outgoing("key", b"before")])
    (record,) = await read_all(feed)
    iterator = await feed.transport.open_iterator(feed.stream, record.shard_id, LATEST)
    await feed.transport.put_records(feed.stream, [Outgoing("key", b"after")])
    page = await feed.transport.get_records(iterator, 10)
    assert [found.body for found in page.records] == [b"after"]


async def test_an_open_shard_has_no_end(feed: Feed) -> None:
    shard = (await feed.transport.list_shards(feed.stream))[0]
    iterator = await feed.transport.open_iterator(feed.stream, shard.shard_id, TRIM_HORIZON)
    page = await feed.transport.get_records(iterator, 10)
    assert page.records == ()
    assert page.next is not None


async def test_the_shards_share_all_hash_keys(feed: Feed) -> None:
    shards = sorted(await feed.transport.list_shards(feed.stream), key=lambda shard: int(shard.starting_hash_key))
    assert [shard.parents for shard in shards] == [(), ()]
    assert int(shards[0].starting_hash_key) == 0
    assert int(shards[0].ending_hash_key) + 1 == int(shards[1].starting_hash_key)
    assert int(shards[1].ending_hash_key) == 2**128 - 1


async def test_a_stream_that_is_not_there_is_named(feed: Feed) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        await feed.transport.put_records("nowhere", [Outgoing("key", b"")])
    with pytest.raises(NotFound, match="nowhere"):
        await feed.transport.list_shards("nowhere")
    with pytest.raises(NotFound, match="nowhere"):
        await feed.transport.open_iterator("nowhere", "shardId-000000000000", TRIM_HORIZON)
