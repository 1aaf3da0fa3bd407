"""The truth: one DynamoDB table, an item collection a provider, written only by higher versions."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from botocore.exceptions import ClientError

from millrace_readmodel import cards
from millrace_readmodel.dynamodb import PageItem
from millrace_readmodel.items import PLAN_PREFIX, PROVIDER_PREFIX, Item, PlanItem, collection_of, plan_of

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

NEWER: Final = "attribute_not_exists(version) OR version < :version"
ITEMS_AT_ONCE: Final = 25
IN_FLIGHT: Final = 16
ATTEMPTS: Final = 8
FIRST_PAUSE: Final = 0.05  # seconds, doubled each time
T = TypeVar("T")


class TruthBusyError(Exception):
    """DynamoDB refused the same writes again and again, for throttling or conflicts; trying later may help."""


class Truth:
    """Reads are strongly consistent. Writes of lower or equal versions are no errors and change nothing.

    All methods raise botocore's `ClientError`, `BotoCoreError` when the table can't be reached.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._table = table
        self._sleep = sleep
        self._jitter = jitter
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)

    async def put(self, items: Iterable[Item]) -> int:
        """Write items, several of a key only in its highest version. Returns how many were newer than what was there.

        Goes by transactions of up to 25 items: a tenth of the requests, for twice the write units of single puts. They
        are not atomic together: an item that is not newer is left out and the others are written.
        """
        newest: dict[tuple[str, str], Item] = {}
        for item in items:
            key = item.pk, item.sk
            if key not in newest or newest[key].version < item.version:
                newest[key] = item
        written = await _all(self._put_chunk(chunk) for chunk in _chunks(newest.values(), ITEMS_AT_ONCE))
        return sum(written)

    async def collection(self, npi: str) -> cards.Collection:
        """A provider's items; an empty collection if there are none."""
        return collection_of(npi, await self.items(PROVIDER_PREFIX + npi))

    async def collections(self, npis: Collection[str]) -> list[cards.Collection]:
        """The collections of several providers, in the order of `npis`."""
        return await _all(self.collection(npi) for npi in npis)

    async def plans(self, plan_ids: Collection[str]) -> list[PlanItem]:
        """Insurance plans, in the order of `plan_ids`; version 0 without data for one that never was."""
        found = await _all(self.items(PLAN_PREFIX + plan_id) for plan_id in plan_ids)
        return [
            plan_of(items[0]) if items else PlanItem(plan_id, 0, None)
            for plan_id, items in zip(plan_ids, found, strict=True)
        ]

    async def items(self, pk: str) -> list[Item]:
        """All items below a partition key, tombstones included, by sort key."""
        items: list[Item] = []
        start: dict[str, Any] = {}
        while True:
            async with self._in_flight:
                page = await self._client.query(
                    TableName=self._table,
                    KeyConditionExpression="pk = :pk",
                    ExpressionAttributeValues={":pk": {"S": pk}},
                    ConsistentRead=True,
                    **start,
                )
            items += _items(page)
            if not page.get("LastEvaluatedKey"):
                return items
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    async def scan(self, handle: Callable[[list[list[Item]]], Awaitable[None]], *, segments: int = 1) -> None:
        """Hand the whole table to `handle`, a list of partitions (all items of one partition key each) at a time.

        Segments run concurrently, so `handle` does as well. An item that changes meanwhile is seen before or after.
        """
        await _all(self._scan_segment(handle, segment, segments) for segment in range(segments))

    async def _scan_segment(
        self, handle: Callable[[list[list[Item]]], Awaitable[None]], segment: int, segments: int
    ) -> None:
        # A page may end in the middle of a partition, which then goes on at the top of the next page.
        rest: list[Item] = []
        async with contextlib.aclosing(self._pages(segment, segments)) as pages:
            async for items, last in pages:
                partitions = [list(part) for _, part in groupby([*rest, *items], key=attrgetter("pk"))]
                rest = partitions.pop() if partitions and not last else []
                if partitions:
                    await handle(partitions)

    async def _pages(self, segment: int, segments: int) -> AsyncGenerator[tuple[list[Item], bool], None]:
        """(items, whether they are the last ones); while a page is worked on, the next one is on its way."""
        request: dict[str, Any] = {"TableName": self._table, "ConsistentRead": True}
        if segments > 1:
            request |= {"Segment": segment, "TotalSegments": segments}
        upcoming = asyncio.create_task(self._client.scan(**request))
        try:
            while True:
                page = await upcoming
                start = page.get("LastEvaluatedKey")
                if start:
                    upcoming = asyncio.create_task(self._client.scan(**request, ExclusiveStartKey=start))
                yield _items(page), not start
                if not start:
                    return
        finally:
            upcoming.cancel()

    async def is_empty(self) -> bool:
        """Whether nothing was ever written to it."""
        page = await self._client.scan(TableName=self._table, Limit=1, ConsistentRead=True)
        return not page["Items"]

    async def check(self) -> None:
        """Raises unless the table answers."""
        await self._client.describe_table(TableName=self._table)

    async def _put_chunk(self, items: Sequence[Item]) -> int:
        for attempt in range(ATTEMPTS):
            async with self._in_flight:
                reasons = await self._try_put(items)
            if reasons is None:
                return len(items)
            if set(reasons) <= {"None", "ConditionalCheckFailed"}:
                items = [item for item, reason in zip(items, reasons, strict=True) if reason == "None"]
                if not items:
                    return 0
            else:
                await self._sleep(FIRST_PAUSE * 2**attempt * (0.5 + self._jitter() / 2))
        raise TruthBusyError(f"{self._table}: {len(items)} writes were refused {ATTEMPTS} times")

    async def _try_put(self, items: Sequence[Item]) -> list[str] | None:
        """None if all were written, else none was and this says why, item by item."""
        puts = [
            {
                "TableName": self._table,
                "Item": _attributes(item),
                "ConditionExpression": NEWER,
                "ExpressionAttributeValues": {":version": {"N": str(item.version)}},
            }
            for item in items
        ]
        try:
            if len(puts) == 1:
                await self._client.put_item(**cast(Any, puts[0]))
            else:
                await self._client.transact_write_items(TransactItems=[cast(Any, {"Put": put}) for put in puts])
        except ClientError as error:
            return _refusals(error)
        return None


def _refusals(error: ClientError) -> list[str]:
    code = error.response["Error"]["Code"]
    if code == "ConditionalCheckFailedException":
        return ["ConditionalCheckFailed"]
    if code == "TransactionConflictException":
        return ["TransactionConflict"]
    if code == "TransactionCanceledException":
        reasons: list[Any] = list(error.response.get("CancellationReasons", []))
        return [reason.get("Code", "None") for reason in reasons]
    raise error


async def create_table(client: "DynamoDBClient", table: str) -> None:
    """Create the table unless it is there; returns once it can be used."""
    with contextlib.suppress(client.exceptions.ResourceInUseException):
        await client.create_table(
            TableName=table,
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
    await client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def _attributes(item: Item) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "pk": {"S": item.pk},
        "sk": {"S": item.sk},
        "version": {"N": str(item.version)},
        "time": {"S": item.time},
        "subject": {"S": item.subject},
    }
    if item.data is not None:
        attributes["data"] = {"S": item.data}
    return attributes


def _items(page: Any) -> list[Item]:
    found: list[PageItem] = page["Items"]
    return [
        Item(each.pk.S, each.sk.S, each.version.N, each.data.S if each.data else None, each.time.S, each.subject.S)
        for each in found
    ]


async def _all(work: Iterable[Awaitable[T]]) -> list[T]:
    """The results of all; the first error cancels the rest and is raised."""

    async def one(each: Awaitable[T]) -> T:
        return await each

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(each)) for each in work]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, size)):
        yield chunk
