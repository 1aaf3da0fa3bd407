from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import msgspec
import pytest

from millrace_contracts.envelope import Envelope
from millrace_feeds.aws import AwsSettings, dynamodb_client, kinesis_client
from millrace_feeds.dead_letters import DeadLetterStore, MemoryDeadLetterStore
from millrace_feeds.dead_letters_dynamodb import DynamoDBDeadLetterStore
from millrace_feeds.kinesis import KinesisTransport
from millrace_feeds.lease import LeaseStore, MemoryLeaseStore
from millrace_feeds.lease_dynamodb import DynamoDBLeaseStore
from millrace_feeds.memory import MemoryTransport
from millrace_feeds.provision import create_dead_letters_table, create_lease_table, create_stream
from millrace_feeds.transport import Transport

UniqueName = Callable[[str], str]


def envelope(key: str, version: int, data: bytes = b'{"name":"Rosewood"}') -> Envelope:
    return Envelope(
        id=f"{key}-{version}",
        source="/services/directory",
        type="millrace.practice.updated",
        subject=key,
        time="2026-01-01T00:00:00Z",
        dataschema="urn:millrace:practice:1",
        partitionkey=key,
        entityversion=version,
        data=msgspec.Raw(data),
    )


class Feed(NamedTuple):
    """A transport and a new stream with two shards."""

    transport: Transport
    stream: str


@pytest.fixture(params=["memory", "kinesis"])
async def feed(request: pytest.FixtureRequest, unique_name: UniqueName) -> AsyncIterator[Feed]:
    stream = unique_name("stream")
    if request.param == "memory":
        memory = MemoryTransport()
        memory.create_stream(stream, 2)
        yield Feed(memory, stream)
        return
    async with kinesis_client(AwsSettings(endpoint_url=request.getfixturevalue("aws_endpoint"))) as client:
        await create_stream(client, stream, 2)
        yield Feed(KinesisTransport(client), stream)


@pytest.fixture(params=["memory", "dynamodb"])
async def leases(request: pytest.FixtureRequest, unique_name: UniqueName) -> AsyncIterator[LeaseStore]:
    if request.param == "memory":
        yield MemoryLeaseStore()
        return
    async with dynamodb_client(AwsSettings(endpoint_url=request.getfixturevalue("aws_endpoint"))) as client:
        table = unique_name("leases")
        await create_lease_table(client, table)
        yield DynamoDBLeaseStore(client, table)


@pytest.fixture(params=["memory", "dynamodb"])
async def dead_letters(request: pytest.FixtureRequest, unique_name: UniqueName) -> AsyncIterator[DeadLetterStore]:
    if request.param == "memory":
        yield MemoryDeadLetterStore()
        return
    async with dynamodb_client(AwsSettings(endpoint_url=request.getfixturevalue("aws_endpoint"))) as client:
        table = unique_name("letters")
        await create_dead_letters_table(client, table)
        yield DynamoDBDeadLetterStore(client, table)
