"""Open publishers and consumers on Kinesis and DynamoDB."""

import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from millrace_feeds.aws import AwsSettings, dynamodb_client, kinesis_client
from millrace_feeds.consumer import Consumer
from millrace_feeds.dead_letters import DeadLetterStore
from millrace_feeds.dead_letters_dynamodb import DynamoDBDeadLetterStore
from millrace_feeds.handler import Handler, OutagePredicate, is_outage
from millrace_feeds.kinesis import KinesisTransport
from millrace_feeds.lease_dynamodb import DynamoDBLeaseStore
from millrace_feeds.publisher import Publisher
from millrace_feeds.settings import ConsumerSettings
from millrace_feeds.transport import Transport


@asynccontextmanager
async def open_transport(aws: AwsSettings | None = None) -> AsyncIterator[Transport]:
    """Open a transport to Kinesis, configured by the environment unless `aws` is given."""
    async with kinesis_client(aws) as client:
        yield KinesisTransport(client)


@asynccontextmanager
async def open_dead_letters(table: str) -> AsyncIterator[DeadLetterStore]:
    """Open the store of dead letters in a DynamoDB table, configured by the environment."""
    async with dynamodb_client() as client:
        yield DynamoDBDeadLetterStore(client, table)


@asynccontextmanager
async def open_publisher(stream: str) -> AsyncIterator[Publisher]:
    """Open a publisher to one Kinesis stream, configured by the environment."""
    async with open_transport() as transport:
        yield Publisher(transport=transport, stream=stream)


@dataclass(frozen=True, slots=True)
class ConsumerConfig:
    """The stream and DynamoDB tables of an application. If `worker` is None, each process has a new name.

    `reads_per_second` is the application's share of the five reads per second that Kinesis allows on each shard.
    """

    application: str
    stream: str
    leases_table: str
    dead_letters_table: str
    worker: str | None = None
    reads_per_second: float = 5.0


@asynccontextmanager
async def open_consumer(
    config: ConsumerConfig,
    handler: Handler,
    *,
    aws: AwsSettings | None = None,
    settings: ConsumerSettings | None = None,
    is_outage: OutagePredicate = is_outage,
) -> AsyncIterator[Consumer]:
    """Open a consumer on Kinesis and DynamoDB; the caller runs `consumer.run()` in a task."""
    async with AsyncExitStack() as stack:
        transport = await stack.enter_async_context(open_transport(aws))
        client = await stack.enter_async_context(dynamodb_client(aws))
        yield Consumer(
            application=config.application,
            stream=config.stream,
            transport=transport,
            leases=DynamoDBLeaseStore(client, config.leases_table),
            dead_letters=DynamoDBDeadLetterStore(client, config.dead_letters_table),
            handler=handler,
            worker=config.worker or worker_name(),
            settings=settings or ConsumerSettings(poll_interval=1.0 / config.reads_per_second),
            is_outage=is_outage,
        )


def worker_name() -> str:
    """Return a name unique to this call, so that a process never resumes leases of one that may still be working."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
