"""Implement the transport with Kinesis Data Streams.

Source: Kinesis API reference (PutRecords: 500 records, 5 MiB, 1 MiB each including its key; GetRecords: 10,000
records, five calls per second and shard; an iterator expires after five minutes).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from millrace_feeds.aws_errors import map_aws_errors, map_unknown_position
from millrace_feeds.transport import LATEST, TRIM_HORIZON, Limits, OutgoingRecord, Page, Record, Shard, ShardIterator

if TYPE_CHECKING:
    from types_aiobotocore_kinesis import KinesisClient
    from types_aiobotocore_kinesis.type_defs import RecordTypeDef, ShardTypeDef

MAX_GET_RECORDS = 10_000


class KinesisTransport:
    """Implements `Transport` with an open client (see `aws.kinesis_client`), whose timeouts bound every call."""

    def __init__(self, client: "KinesisClient", limits: Limits | None = None) -> None:
        self._client = client
        self._limits = limits or Limits()

    @property
    def limits(self) -> Limits:
        return self._limits

    async def put_records(self, stream: str, records: Sequence[OutgoingRecord]) -> Sequence[str | None]:
        with map_aws_errors(stream):
            response = await self._client.put_records(
                StreamName=stream, Records=[{"PartitionKey": record.key, "Data": record.body} for record in records]
            )
        return [entry.get("ErrorCode") for entry in response["Records"]]

    async def list_shards(self, stream: str) -> Sequence[Shard]:
        shards: list[Shard] = []
        with map_aws_errors(stream):
            response = await self._client.list_shards(StreamName=stream)
            shards += map(_shard, response["Shards"])
            while token := response.get("NextToken"):
                response = await self._client.list_shards(NextToken=token)
                shards += map(_shard, response["Shards"])
        return shards

    async def open_iterator(self, stream: str, shard_id: str, after: str) -> ShardIterator:
        with map_unknown_position(stream), map_aws_errors(f"{stream}/{shard_id}"):
            if after in (TRIM_HORIZON, LATEST):
                response = await self._client.get_shard_iterator(
                    StreamName=stream,
                    ShardId=shard_id,
                    ShardIteratorType="TRIM_HORIZON" if after == TRIM_HORIZON else "LATEST",
                )
            else:
                response = await self._client.get_shard_iterator(
                    StreamName=stream,
                    ShardId=shard_id,
                    ShardIteratorType="AFTER_SEQUENCE_NUMBER",
                    StartingSequenceNumber=after,
                )
        return ShardIterator(stream, shard_id, response["ShardIterator"])

    async def get_records(self, iterator: ShardIterator, limit: int) -> Page:
        with map_aws_errors(f"{iterator.stream}/{iterator.shard_id}"):
            response = await self._client.get_records(
                ShardIterator=iterator.token, Limit=min(max(limit, 1), MAX_GET_RECORDS)
            )
        token = response.get("NextShardIterator")
        return Page(
            records=tuple(_record(iterator, record) for record in response["Records"]),
            next=ShardIterator(iterator.stream, iterator.shard_id, token) if token else None,
            behind_ms=response.get("MillisBehindLatest") or 0,
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
