"""Store key states (what was emitted and held for an entity) in DynamoDB: one item per subject, in batches.

An index contains only the items with held versions, so that they are found after a crash without a scan of the table.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from millrace_contracts.envelope import decode, encode
from millrace_feeds.aws_errors import map_aws_errors
from millrace_feeds.errors import Throttled
from millrace_refinery.ordering import Arrival, HeldVersion, KeyState
from millrace_refinery.states import DueKey

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import GlobalSecondaryIndexTypeDef

HELD_INDEX = "held-by-due"
_HOLDING = "yes"
_READ_BATCH = 100  # the limits of BatchGetItem and BatchWriteItem
_WRITE_BATCH = 25
_IN_FLIGHT = 4
_ATTEMPTS = 8
_FIRST_BACKOFF = 0.05  # seconds, doubled each time
_HELD_INDEX_SCHEMA: "GlobalSecondaryIndexTypeDef" = {
    "IndexName": HELD_INDEX,
    "KeySchema": [{"AttributeName": "holding", "KeyType": "HASH"}, {"AttributeName": "due", "KeyType": "RANGE"}],
    "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["shard"]},
}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DynamoDBStateStore:
    """Implements `StateStore` with one table. `load` is strongly consistent; unprocessed items are retried."""

    client: "DynamoDBClient"
    table: str
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    _in_flight: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_IN_FLIGHT), init=False)

    async def load(self, subjects: Collection[str]) -> dict[str, KeyState]:
        chunks = _chunks([{"pk": {"S": subject}} for subject in subjects], _READ_BATCH)
        responses = await asyncio.gather(*(self._read(chunk) for chunk in chunks))
        return {item["pk"]["S"]: _decode_state(item) for items in responses for item in items}

    async def save(self, states: Mapping[str, KeyState]) -> None:
        puts = [{"PutRequest": {"Item": _encode_state(subject, state)}} for subject, state in states.items()]
        await asyncio.gather(*(self._write(chunk) for chunk in _chunks(puts, _WRITE_BATCH)))

    async def find_due(self, before: float, limit: int) -> Sequence[DueKey]:
        with map_aws_errors(self.table):
            response = await self.client.query(
                TableName=self.table,
                IndexName=HELD_INDEX,
                KeyConditionExpression="holding = :yes AND due <= :before",
                ExpressionAttributeValues={":yes": {"S": _HOLDING}, ":before": {"N": _number(before)}},
                Limit=limit,
            )
        return [DueKey(item["pk"]["S"], float(item["due"]["N"]), item["shard"]["S"]) for item in response["Items"]]

    async def check(self) -> None:
        with map_aws_errors(self.table):
            await self.client.describe_table(TableName=self.table)

    async def _read(self, keys: list[Any]) -> list[Any]:
        items: list[Any] = []
        async with self._in_flight:
            for attempt in range(_ATTEMPTS):
                with map_aws_errors(self.table):
                    response = await self.client.batch_get_item(
                        RequestItems={self.table: {"Keys": keys, "ConsistentRead": True}}
                    )
                items += response["Responses"].get(self.table, [])
                unprocessed = response.get("UnprocessedKeys", {}).get(self.table)
                if not unprocessed:
                    return items
                keys = list(unprocessed["Keys"])
                await self._back_off(attempt)
        raise Throttled(f"{self.table}: {len(keys)} reads unprocessed after {_ATTEMPTS} attempts")

    async def _write(self, puts: list[Any]) -> None:
        async with self._in_flight:
            for attempt in range(_ATTEMPTS):
                with map_aws_errors(self.table):
                    response = await self.client.batch_write_item(RequestItems={self.table: puts})
                puts = list(response.get("UnprocessedItems", {}).get(self.table, []))
                if not puts:
                    return
                await self._back_off(attempt)
        raise Throttled(f"{self.table}: {len(puts)} writes unprocessed after {_ATTEMPTS} attempts")

    async def _back_off(self, attempt: int) -> None:
        await self.sleep(_FIRST_BACKOFF * 2**attempt * (0.5 + self.jitter() / 2))


async def create_table(client: "DynamoDBClient", table: str) -> None:
    """Create the table and its index unless they exist; return once they are usable. Raises `Unavailable`."""
    with map_aws_errors(table):
        with contextlib.suppress(client.exceptions.ResourceInUseException):
            await client.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[
                    {"AttributeName": "pk", "AttributeType": "S"},
                    {"AttributeName": "holding", "AttributeType": "S"},
                    {"AttributeName": "due", "AttributeType": "N"},
                ],
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                GlobalSecondaryIndexes=[_HELD_INDEX_SCHEMA],
            )
        await client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def _encode_state(subject: str, state: KeyState) -> dict[str, Any]:
    item: dict[str, Any] = {
        "pk": {"S": subject},
        "version": {"N": str(state.emitted)},
        "settled": {"N": str(state.settled)},
        "digest": {"S": state.digest},
        "emitted_at": {"N": _number(state.emitted_at)},
    }
    if state.due is not None:
        item |= {
            "held": {"L": [{"M": _encode_held(held)} for held in state.held]},
            "holding": {"S": _HOLDING},
            "due": {"N": _number(state.due)},
            "shard": {"S": state.held[0].shard},
        }
    return item


def _encode_held(held: HeldVersion) -> dict[str, Any]:
    return {
        "event": {"B": encode(held.arrival.envelope)},
        "digest": {"S": held.arrival.digest},
        "due": {"N": _number(held.due)},
        "shard": {"S": held.shard},
    }


def _decode_state(item: Mapping[str, Any]) -> KeyState:
    return KeyState(
        emitted=int(item["version"]["N"]),
        settled=int(item["settled"]["N"]),
        digest=item["digest"]["S"],
        emitted_at=float(item["emitted_at"]["N"]),
        held=tuple(_decode_held(each["M"]) for each in item.get("held", {"L": []})["L"]),
    )


def _decode_held(item: Mapping[str, Any]) -> HeldVersion:
    body = item["event"]["B"]
    arrival = Arrival(decode(body), item["digest"]["S"], len(body))
    return HeldVersion(arrival, float(item["due"]["N"]), item["shard"]["S"])


def _number(value: float) -> str:
    return f"{value:.3f}"


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, size)):
        yield chunk
