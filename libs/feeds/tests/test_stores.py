"""Contract of all lease stores and all stores of dead letters."""

import os
from dataclasses import replace

from millrace_feeds.dead_letters import DeadLetter, DeadLetterStore
from millrace_feeds.dead_letters_dynamodb import to_item as dead_letter_to_item
from millrace_feeds.lease import Lease, LeaseStore
from millrace_feeds.lease_dynamodb import to_item
from millrace_feeds.transport import Record

FULL = Lease(
    "shardId-000000000002",
    owner="worker-2",
    counter=41,
    checkpoint="4958",
    sub_sequence=3,
    owner_switches=2,
    parents=("shardId-000000000000", "shardId-000000000001"),
    starting_hash_key="0",
    ending_hash_key="340282366920938463463374607431768211455",
    checkpoint_owner="worker-1",
)


async def test_lease_round_trip(leases: LeaseStore) -> None:
    plain = Lease("shardId-000000000000", checkpoint="TRIM_HORIZON")
    assert await leases.create(FULL)
    assert await leases.create(plain)
    assert await leases.get(FULL.key) == FULL
    assert sorted(await leases.list(), key=lambda lease: lease.key) == [plain, FULL]
    assert await leases.get("shardId-000000000009") is None


async def test_create_refuses_existing_lease(leases: LeaseStore) -> None:
    assert await leases.create(FULL)
    assert not await leases.create(replace(FULL, checkpoint="0"))
    assert await leases.get(FULL.key) == FULL


async def test_update_requires_current_counter(leases: LeaseStore) -> None:
    await leases.create(FULL)
    moved = replace(FULL, counter=42, owner=None, checkpoint_owner=None)
    assert await leases.update(moved, 41)
    assert not await leases.update(replace(FULL, counter=43), 41)
    assert await leases.get(FULL.key) == moved


async def test_update_does_not_recreate_deleted_row(leases: LeaseStore) -> None:
    assert not await leases.update(FULL, 41)
    assert await leases.list() == []


async def test_delete_requires_current_counter(leases: LeaseStore) -> None:
    await leases.create(FULL)
    assert not await leases.delete(FULL.key, 40)
    assert await leases.delete(FULL.key, 41)
    assert not await leases.delete(FULL.key, 41)


def test_attributes_match_kcl() -> None:
    assert set(to_item(FULL)) == {
        "leaseKey",
        "leaseOwner",
        "leaseCounter",
        "checkpoint",
        "checkpointSubSequenceNumber",
        "ownerSwitchesSinceCheckpoint",
        "parentShardId",
        "startingHashKey",
        "endingHashKey",
        "checkpointOwner",
    }


def parked_record(sequence: str, application: str = "my-app", body: bytes = b"{}") -> DeadLetter:
    record = Record("changes", "shardId-000000000000", sequence, "provider/1", body, 1_700_000_000.123)
    return DeadLetter.from_record(record, application=application, reason="why", attempts=4, parked=1_700_000_001.5)


async def test_dead_letter_round_trip(dead_letters: DeadLetterStore) -> None:
    for parked in (
        parked_record("1"),
        parked_record("2", body=b"x" * 100_000),
        parked_record("3", application="other"),
    ):
        await dead_letters.park(parked)
        assert await dead_letters.get(parked.id) == parked
    assert {entry.sequence async for entry in dead_letters.list("my-app")} == {"1", "2"}
    assert {entry.sequence async for entry in dead_letters.list()} == {"1", "2", "3"}
    assert await dead_letters.count("my-app") == 2


async def test_parking_record_again_replaces_dead_letter(dead_letters: DeadLetterStore) -> None:
    await dead_letters.park(parked_record("1"))
    await dead_letters.park(replace(parked_record("1"), reason="again"))
    assert [entry.reason async for entry in dead_letters.list("my-app")] == ["again"]


async def test_remove_dead_letter(dead_letters: DeadLetterStore) -> None:
    await dead_letters.park(parked_record("1"))
    await dead_letters.remove(parked_record("1").id)
    await dead_letters.remove(parked_record("1").id)
    assert await dead_letters.get(parked_record("1").id) is None
    assert await dead_letters.count("my-app") == 0


def test_item_omits_body_beyond_size_limit() -> None:
    assert "body" not in dead_letter_to_item(parked_record("1", body=os.urandom(500_000)))
