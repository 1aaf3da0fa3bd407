"""Publishers and consumers on AWS from plain parameters, wired in one place."""

import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from millrace_feeds.aws import AwsSettings, dynamodb_client, kinesis_client
from millrace_feeds.clock import Clock
from millrace_feeds.consumer import Consumer
from millrace_feeds.dead_letters import DeadLetters
from millrace_feeds.dead_letters_dynamodb import DynamoDBDeadLetters
from millrace_feeds.handler import Handler, Outage, is_outage
from millrace_feeds.kinesis import KinesisTransport
from millrace_feeds.lease_dynamodb import DynamoDBLeaseStore
from millrace_feeds.publisher import Publisher
from millrace_feeds.settings import ConsumerSettings, PublisherSettings
from millrace_feeds.transport import Transport


@asynccontextmanager
async def open_transport(aws: AwsSettings | None = None) -> AsyncIterator[Transport]:
    """Kinesis, by the environment unless `aws` says otherwise."""
    async with kinesis_client(aws) as client:
        yield KinesisTransport(client)


@asynccontextmanager
async def open_dead_letters(table: str, aws: AwsSettings | None = None) -> AsyncIterator[DeadLetters]:
    async with dynamodb_client(aws) as client:
        yield DynamoDBDeadLetters(client, table)


@asynccontextmanager
async def open_publisher(
    stream: str, *, aws: AwsSettings | None = None, settings: PublisherSettings | None = None
) -> AsyncIterator[Publisher]:
    """A publisher to one Kinesis stream."""
    async with open_transport(aws) as transport:
        yield Publisher(transport=transport, stream=stream, settings=settings)


@dataclass(frozen=True, slots=True)
class ConsumerPlace:
    """Where an application reads and keeps its leases and dead letters. `worker` None: a new name for each run.

    `reads_per_second` is its part of the five that a shard grants to all applications together.
    """

    application: str
    stream: str
    leases_table: str
    dead_letters_table: str
    worker: str | None = None
    reads_per_second: float = 5.0


@asynccontextmanager
async def open_consumer(
    place: ConsumerPlace,
    handler: Handler,
    *,
    aws: AwsSettings | None = None,
    settings: ConsumerSettings | None = None,
    clock: Clock | None = None,
    outage: Outage = is_outage,
) -> AsyncIterator[Consumer]:
    """A consumer on Kinesis and DynamoDB; the caller runs `consumer.run()` in a task of its own."""
    async with AsyncExitStack() as stack:
        transport = await stack.enter_async_context(open_transport(aws))
        client = await stack.enter_async_context(dynamodb_client(aws))
        yield Consumer(
            application=place.application,
            stream=place.stream,
            transport=transport,
            leases=DynamoDBLeaseStore(client, place.leases_table),
            dead_letters=DynamoDBDeadLetters(client, place.dead_letters_table),
            handler=handler,
            worker=place.worker or worker_name(),
            clock=clock,
            settings=settings or ConsumerSettings(poll_interval=1.0 / place.reads_per_second),
            outage=outage,
        )


def worker_name() -> str:
    """Unique for each run: a former run's leases are left to expire, since it may still be working."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
