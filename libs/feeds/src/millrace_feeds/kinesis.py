"""Kinesis Data Streams as a transport.

Source: the Kinesis API reference (PutRecords: 500 records, 5 MiB, 1 MiB each with its key; GetRecords: 10,000 records,
five calls a second and shard; an iterator lives five minutes).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from millrace_feeds.aws_errors import position_checked, translated
from millrace_feeds.transport import LATEST, TRIM_HORIZON, Limits, Outgoing, Page, Record, Shard, ShardIterator

if TYPE_CHECKING:
    from types_aiobotocore_kinesis import KinesisClient
    from types_aiobotocore_kinesis.type_defs import RecordTypeDef, ShardTypeDef

MAX_GET_RECORDS = 10_000


class KinesisTransport:
    """A `Transport` over an open client (see `aws.kinesis_client`), whose timeouts bound every call."""

    def __init__(self, client: "KinesisClient", limits: Limits | None = None) -> None:
        self._client = client
        self._limits = limits or Limits()

    @property
    def limits(self) -> Limits:
        return self._limits

    async def put_records(self, stream: str, records: Sequence[Outgoing]) -> Sequence[str | None]:
        with translated(stream):
            answer = await self._client.put_records(
                StreamName=stream,
                Records=[{"PartitionKey": record.key, "Data": record.body} for record in records],
            )
        return [entry.get("ErrorCode") for entry in answer["Records"]]

    async def list_shards(self, stream: str) -> Sequence[Shard]:
        shards: list[Shard] = []
        with translated(stream):
            answer = await self._client.list_shards(StreamName=stream)
            shards += map(_shard, answer["Shards"])
            while token := answer.get("NextToken"):
                answer = await self._client.list_shards(NextToken=token)
                shards += map(_shard, answer["Shards"])
        return shards

    async def open_iterator(self, stream: str, shard_id: str, after: str) -> ShardIterator:
        with position_checked(stream), translated(f"{stream}/{shard_id}"):
            if after in (TRIM_HORIZON, LATEST):
                answer = await self._client.get_shard_iterator(
                    StreamName=stream,
                    ShardId=shard_id,
                    ShardIteratorType="TRIM_HORIZON" if after == TRIM_HORIZON else "LATEST",
                )
            else:
                answer = await self._client.get_shard_iterator(
                    StreamName=stream,
                    ShardId=shard_id,
                    ShardIteratorType="AFTER_SEQUENCE_NUMBER",
                    StartingSequenceNumber=after,
                )
        return ShardIterator(stream, shard_id, answer["ShardIterator"])

    async def get_records(self, iterator: ShardIterator, limit: int) -> Page:
        with translated(f"{iterator.stream}/{iterator.shard_id}"):
            answer = await self._client.get_records(
                ShardIterator=iterator.token, Limit=min(max(limit, 1), MAX_GET_RECORDS)
            )
        token = answer.get("NextShardIterator")
        return Page(
            records=tuple(_record(iterator, record) for record in answer["Records"]),
            next=ShardIterator(iterator.stream, iterator.shard_id, token) if token else None,
            behind_ms=answer.get("MillisBehindLatest") or 0,
        )


def _record(iterator: ShardIterator, record: "RecordTypeDef") -> Record:
    return Record(
        iterator.stream,
        iterator.shard_id,
        record["SequenceNumber"],
        record["PartitionKey"],
        record["Data"],
        record["ApproximateArrivalTimestamp"].timestamp(),
    )


def _shard(shard: "ShardTypeDef") -> Shard:
    parents = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
    return Shard(
        shard["ShardId"],
        tuple(parent for parent in parents if parent),
        shard["HashKeyRange"]["StartingHashKey"],
        shard["HashKeyRange"]["EndingHashKey"],
    )
