"""Read and write the source of truth: a DynamoDB table with one item collection per provider."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from botocore.exceptions import ClientError

from millrace_readmodel import cards
from millrace_readmodel.bulk import batches
from millrace_readmodel.dynamodb import PageItem
from millrace_readmodel.items import (
    AVAILABILITY_PREFIX,
    PLAN_PREFIX,
    PROVIDER_PREFIX,
    Item,
    PlanItem,
    build_collection,
    item_expiry,
    plan_from_item,
    week_item,
)
from millrace_readmodel.openings import WeekItem

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

NEWER: Final = "attribute_not_exists(version) OR version < :version"
EXPIRES: Final = "expires"
"""Attribute with the expiry (Unix seconds) for DynamoDB's time to live."""
ITEMS_PER_TRANSACTION: Final = 25
IN_FLIGHT: Final = 16
ATTEMPTS: Final = 8
FIRST_PAUSE: Final = 0.05  # seconds; doubles with each attempt
T = TypeVar("T")


class TruthBusyError(Exception):
    """DynamoDB rejected the same writes on every attempt because of throttling or conflicts. Try again later."""


class Truth:
    """The source of truth: strongly consistent reads, and writes that only replace lower versions.

    Methods raise botocore's `ClientError` or `BotoCoreError` if the table is unavailable.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)

    async def put(self, items: Iterable[Item]) -> int:
        """Write the highest given version of each item; return how many items were newer than the stored ones.

        Transactions of up to 25 items need a tenth of the requests, at twice the write units of single puts. Items that
        are not newer are skipped and the others are written. Raises `TruthBusyError`.
        """
        newest: dict[tuple[str, str], Item] = {}
        for item in items:
            key = item.pk, item.sk
            if key not in newest or newest[key].version < item.version:
                newest[key] = item
        written = await _gather(self._put_chunk(chunk) for chunk in batches(newest.values(), ITEMS_PER_TRANSACTION))
        return sum(written)

    async def collection(self, npi: str) -> cards.ItemCollection:
        """Return a provider's items; an empty collection for an unknown provider."""
        return build_collection(npi, await self.items(PROVIDER_PREFIX + npi))

    async def collections(self, npis: Collection[str]) -> list[cards.ItemCollection]:
        """Return the collections of several providers, in the order of `npis`."""
        return await _gather(self.collection(npi) for npi in npis)

    async def plans(self, plan_ids: Collection[str]) -> list[PlanItem]:
        """Return insurance plans in the order of `plan_ids`; an unknown plan has version 0 and no data."""
        found = await _gather(self.items(PLAN_PREFIX + plan_id) for plan_id in plan_ids)
        return [
            plan_from_item(items[0]) if items else PlanItem(plan_id, 0, None)
            for plan_id, items in zip(plan_ids, found, strict=True)
        ]

    async def openings(self, locations: Collection[tuple[str, str]]) -> list[list[WeekItem]]:
        """Return the openings of all weeks for each of `locations` (NPI, provider-location id), in their order."""
        found = await _gather(
            self.items(PROVIDER_PREFIX + npi, f"{AVAILABILITY_PREFIX}{location}#") for npi, location in locations
        )
        return [[week_item(item) for item in items] for items in found]

    async def items(self, pk: str, sk_prefix: str = "") -> list[Item]:
        """Return the items of a partition whose sort key has the prefix, ordered by sort key, including tombstones."""
        items: list[Item] = []
        condition = "pk = :pk AND begins_with(sk, :sk)" if sk_prefix else "pk = :pk"
        values: dict[str, Any] = {":pk": {"S": pk}} | ({":sk": {"S": sk_prefix}} if sk_prefix else {})
        start: dict[str, Any] = {}
        while True:
            async with self._in_flight:
                page = await self._client.query(
                    TableName=self._table,
                    KeyConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    ConsistentRead=True,
                    **start,
                )
            items += _items(page)
            if not page.get("LastEvaluatedKey"):
                return items
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    async def scan(self, handle: Callable[[list[list[Item]]], Awaitable[None]], *, segments: int = 1) -> None:
        """Call `handle` with lists of partitions (all items of one partition key) until the whole table is read.

        Segments run concurrently, so calls of `handle` do too. An item that changes meanwhile is read before or after.
        """
        await _gather(self._scan_segment(handle, segment, segments) for segment in range(segments))

    async def _scan_segment(
        self, handle: Callable[[list[list[Item]]], Awaitable[None]], segment: int, segments: int
    ) -> None:
        # A page may end within a partition, which continues on the next page.
        rest: list[Item] = []
        async with contextlib.aclosing(self._pages(segment, segments)) as pages:
            async for items, last in pages:
                partitions = [list(part) for _, part in groupby([*rest, *items], key=attrgetter("pk"))]
                rest = partitions.pop() if partitions and not last else []
                if partitions:
                    await handle(partitions)

    async def _pages(self, segment: int, segments: int) -> AsyncGenerator[tuple[list[Item], bool], None]:
        """Yield each page's items and whether it is the last page; fetch the next page meanwhile."""
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
        """Return whether the table is empty."""
        page = await self._client.scan(TableName=self._table, Limit=1, ConsistentRead=True)
        return not page["Items"]

    async def check(self) -> None:
        """Raise botocore's `ClientError` or `BotoCoreError` unless the table responds."""
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
                await asyncio.sleep(FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1))  # noqa: S311 # jitter, not a secret
        raise TruthBusyError(f"{self._table}: {len(items)} writes were rejected {ATTEMPTS} times; try again later")

    async def _try_put(self, items: Sequence[Item]) -> list[str] | None:
        """Write all items in one transaction and return None, or write none and return the reason for each item."""
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
            return _rejection_reasons(error)
        return None


def _rejection_reasons(error: ClientError) -> list[str]:
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
    """Create the table unless it exists; return once it is usable."""
    with contextlib.suppress(client.exceptions.ResourceInUseException):
        await client.create_table(
            TableName=table,
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            BillingMode="PAY_PER_REQUEST",
        )
    await client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    described = await client.describe_time_to_live(TableName=table)
    if described["TimeToLiveDescription"].get("TimeToLiveStatus") not in ("ENABLED", "ENABLING"):
        await client.update_time_to_live(
            TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES}
        )


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
    if (expires := item_expiry(item)) is not None:
        attributes[EXPIRES] = {"N": str(expires)}
    return attributes


def _items(page: Any) -> list[Item]:
    found: list[PageItem] = page["Items"]
    return [
        Item(each.pk.S, each.sk.S, each.version.N, each.data.S if each.data else None, each.time.S, each.subject.S)
        for each in found
    ]


async def _gather(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all concurrently and return their results in order; the first error cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
