"""The contract of every state store."""

from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest.mock import AsyncMock, call

import pytest

from millrace_feeds.aws import AwsSettings, dynamodb_client
from millrace_feeds.errors import Throttled
from millrace_refinery.dynamodb import DynamoDBStateStore, create_table
from millrace_refinery.ordering import Arrival, HeldVersion, KeyState
from millrace_refinery.states import DueKey, MemoryStateStore, StateStore

from .factories import change, practice


@pytest.fixture(params=["memory", "dynamodb"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[StateStore]:
    if request.param == "memory":
        yield MemoryStateStore()
        return
    endpoint = request.getfixturevalue("aws_endpoint")
    unique_name: Callable[[str], str] = request.getfixturevalue("unique_name")
    async with dynamodb_client(AwsSettings(endpoint_url=endpoint)) as client:
        table = unique_name("refinery")
        await create_table(client, table)
        await create_table(client, table)
        yield DynamoDBStateStore(client, table)


def held(version: int, due: float, shard: str = "shard-1") -> HeldVersion:
    return HeldVersion(Arrival(change(practice(), version), f"digest-{version}", size=300), due, shard)


async def test_saved_state_is_loaded(store: StateStore) -> None:
    state = KeyState(emitted=3, settled=4, digest="abc", emitted_at=1700000000.125)
    await store.save({"practice/a": state})
    assert await store.load(["practice/a", "practice/b"]) == {"practice/a": state}


async def test_the_last_save_wins(store: StateStore) -> None:
    await store.save({"practice/a": KeyState(emitted=1, settled=1)})
    await store.save({"practice/a": KeyState(emitted=2, settled=2)})
    assert (await store.load(["practice/a"]))["practice/a"].emitted == 2


async def test_held_versions_are_stored_with_their_events(store: StateStore) -> None:
    state = KeyState(emitted=1, settled=1, held=(held(3, 1005.0), held(5, 1004.5, "shard-2")))
    await store.save({"practice/a": state})
    loaded = (await store.load(["practice/a"]))["practice/a"]
    assert [(each.arrival.envelope, each.arrival.digest, each.due, each.shard) for each in loaded.held] == [
        (each.arrival.envelope, each.arrival.digest, each.due, each.shard) for each in state.held
    ]


async def test_more_keys_than_fit_in_one_request(store: StateStore) -> None:
    states = {f"practice/{number}": KeyState(emitted=number, settled=number) for number in range(1, 251)}
    await store.save(states)
    assert await store.load(states.keys()) == states


async def test_empty_save_and_load(store: StateStore) -> None:
    await store.save({})
    assert await store.load([]) == {}


async def test_waiting_keys_are_found_once_due(store: StateStore) -> None:
    await store.save(
        {
            "practice/late": KeyState(held=(held(2, 1010.0),)),
            "practice/soon": KeyState(held=(held(2, 1006.0, "shard-2"), held(3, 1005.0))),
            "practice/first": KeyState(held=(held(2, 1004.0),)),
            "practice/idle": KeyState(emitted=1, settled=1),
        }
    )
    soon = [DueKey("practice/first", 1004.0, "shard-1"), DueKey("practice/soon", 1005.0, "shard-2")]
    assert await store.find_due(1004.999, 10) == soon[:1]
    assert await store.find_due(1005.0, 10) == soon
    assert await store.find_due(1005.0, 1) == soon[:1]


async def test_key_without_held_versions_is_not_due(store: StateStore) -> None:
    await store.save({"practice/a": KeyState(held=(held(2, 1000.0),))})
    await store.save({"practice/a": KeyState(emitted=2, settled=2)})
    assert await store.find_due(2000.0, 10) == []


async def test_check_succeeds(store: StateStore) -> None:
    await store.check()


class ThrottlingClient:
    """A DynamoDB client that processes a part of each batch, as DynamoDB may under load."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.items: dict[str, Any] = {}

    async def batch_write_item(self, *, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:  # noqa: N803
        [(table, puts)] = RequestItems.items()
        for put in puts[: self.capacity]:
            item = put["PutRequest"]["Item"]
            self.items[item["pk"]["S"]] = item
        return {"UnprocessedItems": {table: puts[self.capacity :]} if puts[self.capacity :] else {}}

    async def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        [(table, request)] = RequestItems.items()
        keys = request["Keys"]
        found = [self.items[key["pk"]["S"]] for key in keys[: self.capacity]]
        unprocessed = {table: {"Keys": keys[self.capacity :]}} if keys[self.capacity :] else {}
        return {"Responses": {table: found}, "UnprocessedKeys": unprocessed}


async def test_unprocessed_items_are_retried_with_backoff() -> None:
    client, sleep = ThrottlingClient(capacity=8), AsyncMock()
    store = DynamoDBStateStore(client, "states", sleep=sleep, jitter=lambda: 1.0)  # type: ignore[arg-type]
    states = {f"practice/{number}": KeyState(emitted=number, settled=number) for number in range(1, 26)}
    await store.save(states)
    assert sleep.await_args_list == [call(0.05), call(0.1), call(0.2)]
    assert await store.load(states.keys()) == states


async def test_permanent_throttling_raises() -> None:
    store = DynamoDBStateStore(ThrottlingClient(capacity=0), "states", sleep=AsyncMock())  # type: ignore[arg-type]
    with pytest.raises(Throttled, match="1 writes unprocessed"):
        await store.save({"practice/a": KeyState(emitted=1, settled=1)})
    with pytest.raises(Throttled, match="1 reads unprocessed"):
        await store.load(["practice/a"])
