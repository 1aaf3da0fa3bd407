"""The content of all stores of a running platform, for tests that search it for data that must not be there."""

import asyncio
import base64
from collections.abc import Iterator, Mapping
from typing import Any

import asyncpg
import redis
from botocore.session import get_session

from tests.support.otlp import SIGNALS, Receiver
from tests.support.platform import Platform


def store_contents(platform: Platform, telemetry: Receiver) -> dict[str, bytes]:
    """Return the content of each stream, DynamoDB table and database, of Redis, the log file and telemetry, by name."""
    assert platform.log is not None, "the test didn't start this platform"
    variables = platform.variables
    return {
        **dict(_streams(variables)),
        **dict(_tables(variables)),
        **asyncio.run(_databases(variables)),
        "redis": _redis(variables["MILLRACE_REDIS_URL"]),
        "log": platform.log.read_bytes(),
        **{f"telemetry {signal}": telemetry.bodies(signal) for signal in SIGNALS},
    }


def encodings(text: str) -> Iterator[bytes]:
    """Yield the encodings of a text: plain, case-folded, hexadecimal, and Base64 at each of three offsets."""
    for spelling in {text, text.lower(), text.upper()}:
        plain = spelling.encode()
        yield plain
        yield plain.hex().encode()
        for offset in range(3):
            # The first and last characters depend on the neighboring bytes.
            yield base64.b64encode(b"\0" * offset + plain)[4 if offset else 0 : -4]


def aws_client(service: str, variables: Mapping[str, str]) -> Any:
    """Return a botocore client for an AWS service of the platform with these variables."""
    session = get_session()
    session.set_credentials(variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"])
    region = variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION") or "us-east-1"
    return session.create_client(service, region_name=region, endpoint_url=variables["AWS_ENDPOINT_URL"])


def _streams(variables: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    kinesis = aws_client("kinesis", variables)
    for stream in kinesis.list_streams()["StreamNames"]:
        shards = kinesis.list_shards(StreamName=stream)["Shards"]
        records = [record for shard in shards for record in _records(kinesis, stream, shard["ShardId"])]
        yield f"stream {stream}", b"\n".join(records)


def _records(kinesis: Any, stream: str, shard: str) -> Iterator[bytes]:
    position = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    following = position["ShardIterator"]
    while following:
        page = kinesis.get_records(ShardIterator=following, Limit=10_000)
        for record in page["Records"]:
            yield record["PartitionKey"].encode() + b" " + record["Data"]
        if not page["Records"] and page["MillisBehindLatest"] == 0:
            return
        following = page.get("NextShardIterator")


def _tables(variables: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    dynamodb = aws_client("dynamodb", variables)
    for table in dynamodb.list_tables()["TableNames"]:
        pages = dynamodb.get_paginator("scan").paginate(TableName=table)
        yield f"table {table}", b"\n".join(_flat(item) for page in pages for item in page["Items"])


def _flat(value: Any) -> bytes:
    """Return all strings and bytes of a value with its keys, separated by spaces."""
    match value:
        case None:
            return b""
        case bytes():
            return value
        case dict():
            return b" ".join(part for key, one in value.items() for part in (_flat(key), _flat(one)))
        case list() | tuple() | set():
            return b" ".join(_flat(one) for one in value)
        case _:
            return str(value).encode()


async def _databases(variables: Mapping[str, str]) -> dict[str, bytes]:
    found = {}
    for name, url in variables.items():
        if name.endswith("_DATABASE_URL"):
            found[f"database {name.split('_')[1].lower()}"] = await _database(url)
    return found


async def _database(url: str) -> bytes:
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        # The names come quoted from the database.
        queries = [f"SELECT t::text AS row FROM {table['name']} t" for table in tables]  # noqa: S608
        rows = [await connection.fetch(query) for query in queries]
        return "\n".join(row["row"] for each in rows for row in each).encode()
    finally:
        await connection.close()


def _redis(url: str) -> bytes:
    with redis.Redis.from_url(url) as client:
        return b"\n".join(key + b" " + _value(client, key) for key in client.scan_iter(count=1000))


def _value(client: "redis.Redis", key: bytes) -> bytes:
    reads: dict[bytes, Any] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"list": lambda name: client.lrange(name, 0, -1),
        b"zset": lambda name: client.zrange(name, 0, -1),
        b"stream": client.xrange,
    }
    kind: Any = client.type(key)
    # A key may have expired by now; an unknown type raises KeyError.
    return b"" if kind == b"none" else _flat(reads[kind](key))
