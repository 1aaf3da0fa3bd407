"""The ledger of erased persons: opaque ids in a DynamoDB table, which no restored backup of the database sets back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from millrace_feeds.aws import dynamodb_client
from millrace_feeds.aws_errors import map_aws_errors
from millrace_feeds.provision import create_table
from millrace_patients.settings import PatientsSettings
from millrace_platform.service import aws_settings

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

PERSON_KEY = "person"
REQUEST_SECONDS = 10.0


class ErasureLedger(Protocol):
    """Stores the ids of erased persons for good."""

    async def add(self, person_id: UUID, erased_at: datetime) -> None:
        """Store an erasure, idempotently. Raises `Unavailable`."""
        ...

    def list(self) -> AsyncIterator[UUID]:
        """Yield the ids of all erased persons, in any order. Raises `Unavailable`."""
        ...


class DynamoDBErasureLedger:
    """Implements `ErasureLedger` with an open client."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    async def add(self, person_id: UUID, erased_at: datetime) -> None:
        item = {PERSON_KEY: {"S": str(person_id)}, "erased_at": {"S": erased_at.isoformat()}}
        with map_aws_errors(self._table):
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._client.put_item(TableName=self._table, Item=item)

    async def list(self) -> AsyncIterator[UUID]:
        pages = self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
        with map_aws_errors(self._table):
            async for page in pages:
                for item in page["Items"]:
                    yield UUID(item[PERSON_KEY]["S"])


OpenLedger = Callable[[PatientsSettings], AbstractAsyncContextManager[ErasureLedger]]
"""Type of `open_ledger`, so that tests can replace it."""


@asynccontextmanager
async def open_ledger(settings: PatientsSettings) -> AsyncIterator[ErasureLedger]:
    """Open the table that the settings name; it must exist."""
    async with dynamodb_client(aws_settings(settings)) as client:
        yield DynamoDBErasureLedger(client, settings.patients_erasures_table)


async def create_ledger_table(client: "DynamoDBClient", table: str) -> None:
    """Create the ledger's table unless it exists. Raises `Unavailable`."""
    await create_table(client, table, PERSON_KEY)
