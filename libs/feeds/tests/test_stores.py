"""What every lease store and every store of dead letters owes."""

import os
from dataclasses import replace

from millrace_feeds.dead_letters import DeadLetter, DeadLetters
from millrace_feeds.dead_letters_dynamodb import item_of as item_of_letter
from millrace_feeds.lease import Lease, LeaseStore
from millrace_feeds.lease_dynamodb import item_of
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


async def test_a_lease_comes_back_as_it_was_written(leases: LeaseStore) -> None:
    plain = Lease("shardId-000000000000", checkpoint="TRIM_HORIZON")
    assert await leases.create(FULL)
    assert await leases.create(plain)
    assert await leases.get(FULL.key) == FULL
    assert sorted(await leases.list(), key=lambda lease: lease.key) == [plain, FULL]
    assert await leases.get("shardId-000000000009") is None


async def test_a_lease_is_created_once(leases: LeaseStore) -> None:
    assert await leases.create(FULL)
    assert not await leases.create(replace(FULL, checkpoint="0"))
    assert await leases.get(FULL.key) == FULL


async def test_a_write_needs_the_counter_that_was_read(leases: LeaseStore) -> None:
    await leases.create(FULL)
    moved = replace(FULL, counter=42, owner=None, checkpoint_owner=None)
    assert await leases.update(moved, 41)
    assert not await leases.update(replace(FULL, counter=43), 41)
    assert await leases.get(FULL.key) == moved


async def test_a_row_that_vanished_is_not_written_again(leases: LeaseStore) -> None:
    assert not await leases.update(FULL, 41)
    assert await leases.list() == []


async def test_a_deletion_needs_the_counter_too(leases: LeaseStore) -> None:
    await leases.create(FULL)
    assert not await leases.delete(FULL.key, 40)
    assert await leases.delete(FULL.key, 41)
    assert not await leases.delete(FULL.key, 41)


def test_the_attributes_are_kcls() -> None:
    assert set(item_of(FULL)) == {
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


def letter(sequence: str, application: str = "my-app", body: bytes = b"{}") -> DeadLetter:
    record = Record("changes", "shardId-000000000000", sequence, "provider/1", body, 1_700_000_000.123)
    return DeadLetter.of(record, application=application, reason="why", attempts=4, parked=1_700_000_001.5)


async def test_a_letter_comes_back_as_it_was_parked(dead_letters: DeadLetters) -> None:
    for parked in (letter("1"), letter("2", body=b"x" * 100_000), letter("3", application="other")):
        await dead_letters.park(parked)
        assert await dead_letters.get(parked.id) == parked
    assert {found.sequence async for found in dead_letters.list("my-app")} == {"1", "2"}
    assert {found.sequence async for found in dead_letters.list()} == {"1", "2", "3"}
    assert await dead_letters.count("my-app") == 2


async def test_a_record_parked_twice_is_one_letter(dead_letters: DeadLetters) -> None:
    await dead_letters.park(letter("1"))
    await dead_letters.park(replace(letter("1"), reason="again"))
    assert [found.reason async for found in dead_letters.list("my-app")] == ["again"]


async def test_a_removed_letter_is_gone(dead_letters: DeadLetters) -> None:
    await dead_letters.park(letter("1"))
    await dead_letters.remove(letter("1").id)
    await dead_letters.remove(letter("1").id)
    assert await dead_letters.get(letter("1").id) is None
    assert await dead_letters.count("my-app") == 0


def test_a_body_beyond_an_items_size_is_left_in_the_stream() -> None:
    assert "body" not in item_of_letter(letter("1", body=os.urandom(500_000)))
