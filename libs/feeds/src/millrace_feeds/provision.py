"""Create streams and tables. The functions are idempotent and return when the resource is ready for use."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, WaiterError

from millrace_feeds import dead_letters_dynamodb, lease_dynamodb
from millrace_feeds.aws import AwsSettings, dynamodb_client, kinesis_client
from millrace_feeds.aws_errors import map_aws_errors
from millrace_feeds.errors import Unavailable

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import WaiterConfigTypeDef
    from types_aiobotocore_kinesis import KinesisClient

_WAITER_CONFIG: "WaiterConfigTypeDef" = {"Delay": 1, "MaxAttempts": 60}


async def create_stream(client: "KinesisClient", stream: str, shards: int = 2) -> None:
    """Create a stream with a fixed number of shards; leave an existing one unchanged. Raises `Unavailable`."""
    with _creation(stream):
        with _suppress_existing():
            await client.create_stream(StreamName=stream, ShardCount=shards)
        await client.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig=_WAITER_CONFIG)


async def create_table(client: "DynamoDBClient", table: str, partition_key: str, sort_key: str | None = None) -> None:
    """Create a DynamoDB table with string keys, billed on demand, unless it exists. Raises `Unavailable`."""
    keys = [key for key in (partition_key, sort_key) if key is not None]
    with _creation(table):
        with _suppress_existing():
            await client.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
                KeySchema=[
                    {"AttributeName": key, "KeyType": "HASH" if key == partition_key else "RANGE"} for key in keys
                ],
            )
        await client.get_waiter("table_exists").wait(TableName=table, WaiterConfig=_WAITER_CONFIG)


@contextmanager
def _creation(resource: str) -> Iterator[None]:
    """Translate errors of creating a stream or table, and of waiting for it, to `FeedError`s."""
    with map_aws_errors(resource):
        try:
            yield
        except WaiterError as error:
            raise Unavailable(f"{resource}: not active in time: {error}") from error


@contextmanager
def _suppress_existing() -> Iterator[None]:
    """Suppress the error that the stream or table exists already."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":
            raise


async def create_lease_table(client: "DynamoDBClient", table: str) -> None:
    """Create the table for one application's leases on one stream unless it exists."""
    await create_table(client, table, lease_dynamodb.LEASE_KEY)


async def create_dead_letters_table(client: "DynamoDBClient", table: str) -> None:
    """Create the table for the dead letters of all applications unless it exists."""
    await create_table(client, table, dead_letters_dynamodb.PARTITION_KEY, dead_letters_dynamodb.SORT_KEY)


async def init() -> None:
    """Create the streams of raw and of refined events and the table of dead letters.

    Their names come from environment variables.
    """
    environment = os.environ
    shards = int(environment.get("MILLRACE_STREAM_SHARDS", "2"))
    settings = AwsSettings()
    async with kinesis_client(settings) as kinesis, dynamodb_client(settings) as dynamodb:
        await create_stream(kinesis, environment.get("MILLRACE_CHANGES_STREAM", "changes"), shards)
        await create_stream(kinesis, environment.get("MILLRACE_ENTITIES_STREAM", "entities"), shards)
        await create_dead_letters_table(
            dynamodb, environment.get("MILLRACE_DEAD_LETTERS_TABLE", "millrace-dead-letters")
        )
