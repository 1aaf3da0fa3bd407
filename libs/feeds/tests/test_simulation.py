"""Nothing is lost, order holds per key, no effect comes twice, no checkpoint runs ahead: whatever fails, by seed.

MILLRACE_SIM_SEEDS sets how many seeds are run (default 200).
"""

import os
from collections.abc import Collection, Sequence

import pytest

from millrace_feeds import lease_rules
from millrace_feeds.delivery import Delivery
from millrace_feeds.forwarder import OutboxRow
from millrace_feeds.outgoing import OutgoingQueue, Parcel
from millrace_feeds.shard import ShardWorker
from millrace_feeds.testing import run_virtual

from .simulation import World, simulate
from .slow_outbox import Outbox

SEEDS = int(os.environ.get("MILLRACE_SIM_SEEDS", "200"))
GROUPS = 10


@pytest.mark.parametrize("group", range(GROUPS))
def test_whatever_fails_the_feed_keeps_its_promises(group: int) -> None:
    for seed in range(group, SEEDS, GROUPS):
        world = run_virtual(simulate(seed))
        assert not world.broken, f"seed {seed}"
        assert not world.lost(), f"seed {seed}"
        assert not world.disordered(), f"seed {seed}"
        assert all(len(set(versions)) == len(versions) for versions in world.effects.values()), f"seed {seed}"
        check_dead_letters(world, seed)


def check_dead_letters(world: World, seed: int) -> None:
    unusable = {(key, body) for key, versions in world.written.items() for _, body in versions if not body.isdigit()}

    async def parked() -> list[tuple[str, bytes | None, str]]:
        return [(letter.key, letter.body, letter.reason) async for letter in world.dead_letters.list()]

    letters = run_virtual(parked())
    assert {(key, body) for key, body, _ in letters} >= unusable, f"seed {seed}"
    assert all(reason in {"unreadable", "ValueError: can't apply it"} for _, _, reason in letters), f"seed {seed}"


def found_in_a_few_seeds(what: str) -> bool:
    for seed in range(20):
        world = run_virtual(simulate(seed, patience=30.0))
        if any(complaint.startswith(what) for complaint in [*world.broken, *world.lost(), *world.disordered()]):
            return True
    return False


def test_a_checkpoint_ahead_of_the_effect_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ShardWorker, "_position", lambda self: self._read_to)
    assert found_in_a_few_seeds("checkpoint")


def test_a_cursor_over_the_outbox_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    fetch = Outbox.fetch

    async def behind_the_last(self: Outbox, known: Collection[int], limit: int) -> Sequence[OutboxRow]:
        last: int = getattr(self, "last", 0)
        rows = [row for row in await fetch(self, known, 1_000) if row.seq > last][:limit]
        self.__dict__["last"] = max((row.seq for row in rows), default=last)
        return rows

    monkeypatch.setattr(Outbox, "fetch", behind_the_last)
    assert found_in_a_few_seeds("lost")


def test_handing_out_a_busy_key_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Delivery, "_free", lambda self, keys: self._busy.clear())
    assert found_in_a_few_seeds("order")


def test_children_that_do_not_wait_for_their_parents_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_rules, "blocked", lambda lease, leases: False)
    assert found_in_a_few_seeds("order")


def test_resending_only_what_failed_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_the_failed(
        self: OutgoingQueue, batch: Sequence[Parcel], outcomes: Sequence[str | None]
    ) -> tuple[list[Parcel], list[Parcel]]:
        failed = [parcel for parcel, outcome in zip(batch, outcomes, strict=True) if outcome is not None]
        acknowledged = [parcel for parcel in batch if parcel not in failed]
        self._held -= len(acknowledged)
        self._free({parcel.key for parcel in acknowledged} - {parcel.key for parcel in failed})
        return acknowledged, failed

    monkeypatch.setattr(OutgoingQueue, "settle", only_the_failed)
    assert found_in_a_few_seeds("disorder")
