"""The source of truth on DynamoDB: versions, collections and scans."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from millrace_contracts.envelope import ContractError
from millrace_readmodel.dynamodb import truth_client
from millrace_readmodel.items import Item, item_expiry, item_key
from millrace_readmodel.truth import Truth, create_table

NPI = "1000000004"


@pytest.fixture
async def dynamodb(aws_endpoint: str, unique_name: Any) -> AsyncIterator[Truth]:
    table = unique_name("truth")
    async with truth_client(region="us-east-1", endpoint_url=aws_endpoint) as client:
        await create_table(client, table)
        await create_table(client, table)
        yield Truth(client, table)


async def test_only_higher_versions_are_written(dynamodb: Truth, make: Any) -> None:
    assert await dynamodb.put([make.provider(NPI, 2, last_name="Byron")]) == 1
    assert await dynamodb.put([make.provider(NPI, 2), make.provider(NPI, 1)]) == 0
    assert await dynamodb.put([make.provider(NPI, 3), make.provider(NPI, 5, last_name="King")]) == 1
    (item,) = await dynamodb.items(f"PROVIDER#{NPI}")
    assert (item.version, "King" in (item.data or "")) == (5, True)


async def test_older_items_do_not_block_others(dynamodb: Truth, make: Any) -> None:
    npis = [f"1{number:09d}" for number in range(60)]
    await dynamodb.put([make.provider(npi, 5) for npi in npis[::2]])
    assert await dynamodb.put([make.provider(npi, 3) for npi in npis]) == 30
    collections = await dynamodb.collections(npis)
    assert [collection.versions for collection in collections] == [5, 3] * 30


async def test_collection_contains_all_parts_and_counts_tombstones(dynamodb: Truth, make: Any) -> None:
    gone = make.deleted(make.location(NPI, 1, number=1), 4)
    await dynamodb.put([make.provider(NPI, 2), make.location(NPI, 3), gone])
    collection = await dynamodb.collection(NPI)
    assert collection.provider is not None
    assert collection.versions == 9
    assert [location.id for location in collection.locations] == [make.location_id(NPI)]
    assert list(collection.deleted) == [make.location_id(NPI, 1)]
    assert (await dynamodb.collection("1999999999")).versions == 0


async def test_collection_of_many_pages_is_read_completely(dynamodb: Truth, make: Any) -> None:
    locations = [
        make.location(NPI, 1, number=number, plans=tuple(f"{plan:014d}" for plan in range(900))) for number in range(90)
    ]
    await dynamodb.put(locations)
    assert len((await dynamodb.collection(NPI)).locations) == 90


async def test_plans_are_read_by_id(dynamodb: Truth, make: Any) -> None:
    await dynamodb.put([make.plan("A", 3), make.deleted(make.plan("B", 1), 2)])
    plans = await dynamodb.plans(["A", "B", "C"])
    assert [(plan.id, plan.version, plan.data is None) for plan in plans] == [
        ("A", 3, False),
        ("B", 2, True),
        ("C", 0, True),
    ]


@pytest.mark.parametrize("segments", [1, 3])
async def test_scan_returns_each_collection_once_and_complete(dynamodb: Truth, make: Any, segments: int) -> None:
    """The table spans several pages, which end within collections."""
    npis = [f"1{number:09d}" for number in range(40)]
    plans = tuple(f"{plan:014d}" for plan in range(800))
    items = [make.location(npi, 1, number=number, plans=plans) for npi in npis for number in range(5)]
    await dynamodb.put([*items, *(make.provider(npi, 2) for npi in npis)])
    seen: list[str] = []
    sizes: set[int] = set()

    async def handle(partitions: list[list[Item]]) -> None:
        seen.extend(part[0].pk for part in partitions)
        sizes.update(map(len, partitions))
        await asyncio.sleep(0)

    await dynamodb.scan(handle, segments=segments)
    assert sorted(seen) == sorted(f"PROVIDER#{npi}" for npi in npis)
    assert sizes == {6}


def test_every_entity_type_has_a_key() -> None:
    assert item_key("provider/1") == ("PROVIDER#1", "PROFILE")
    assert item_key("provider-location/1/x") == ("PROVIDER#1", "LOCATION#x")
    assert item_key("availability/1/x/2026-W48") == ("PROVIDER#1", "AVAILABILITY#x#2026-W48")
    assert item_key("review-summary/1") == ("PROVIDER#1", "REVIEWS")
    assert item_key("location/x") == ("LOCATION#x", "PROFILE")
    assert item_key("practice/x") == ("PRACTICE#x", "PROFILE")
    assert item_key("insurance-plan/x") == ("PLAN#x", "PROFILE")
    assert item_key("appointment/x") is None
    assert item_key("patient/x") is None


@pytest.mark.parametrize("subject", ["provider-location/1", "prescription/1", ""])
def test_unknown_subject_is_rejected(subject: str) -> None:
    with pytest.raises(ContractError, match="subject"):
        item_key(subject)


async def test_openings_are_read_by_location_and_not_counted_in_versions(dynamodb: Truth, make: Any) -> None:
    weeks = [
        make.week(NPI, 2, "2026-11-24T09:00:00-05:00"),
        make.week(NPI, 3, "2026-12-01T09:00:00-05:00", week="2026-W49"),
        make.week(NPI, 9, number=1),
    ]
    await dynamodb.put([make.provider(NPI, 1), make.location(NPI, 1), *weeks])
    found = await dynamodb.openings([(NPI, make.location_id(NPI)), (NPI, make.location_id(NPI, 1)), (NPI, "nowhere")])
    assert [[week.version for week in each] for each in found] == [[2, 3], [9], []]
    collection = await dynamodb.collection(NPI)
    assert collection.versions == 2
    assert {key: len(each) for key, each in collection.weeks.items()} == {
        make.location_id(NPI): 2,
        make.location_id(NPI, 1): 1,
    }


def test_openings_expire_weeks_after_their_own(make: Any) -> None:
    assert item_expiry(make.week(NPI, 1)) == datetime(2026, 12, 28, tzinfo=UTC).timestamp()
    assert item_expiry(make.provider(NPI, 1)) is None


async def test_table_expires_openings(aws_endpoint: str, unique_name: Any) -> None:
    table = unique_name("truth")
    async with truth_client(region="us-east-1", endpoint_url=aws_endpoint) as client:
        await create_table(client, table)
        described = await client.describe_time_to_live(TableName=table)
        assert described["TimeToLiveDescription"]["AttributeName"] == "expires"
