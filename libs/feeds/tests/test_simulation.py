"""Simulations with faults: no record is lost, keys stay in order, effects occur once, checkpoints follow effects.

The environment variable MILLRACE_SIM_SEEDS sets the number of seeds (default 200).
"""

import os
from collections.abc import Collection, Sequence

import pytest

from millrace_feeds import lease_rules
from millrace_feeds.delivery_queue import DeliveryQueue
from millrace_feeds.forwarder import OutboxRow
from millrace_feeds.publish_queue import PublishQueue, QueuedRecord
from millrace_feeds.shard_worker import ShardWorker
from millrace_feeds.testing import run_virtual

from .fake_outbox import FakeOutbox
from .simulation import Simulation, simulate

SEEDS = int(os.environ.get("MILLRACE_SIM_SEEDS", "200"))
GROUPS = 10


@pytest.mark.parametrize("group", range(GROUPS))
def test_guarantees_hold_under_random_faults(group: int) -> None:
    for seed in range(group, SEEDS, GROUPS):
        simulation = run_virtual(simulate(seed))
        assert not simulation.violations, f"seed {seed}"
        assert not simulation.find_lost_versions(), f"seed {seed}"
        assert not simulation.find_disordered_keys(), f"seed {seed}"
        assert all(len(set(versions)) == len(versions) for versions in simulation.effects.values()), f"seed {seed}"
        assert_unusable_records_are_parked(simulation, seed)


def assert_unusable_records_are_parked(simulation: Simulation, seed: int) -> None:
    unusable = {
        (key, body) for key, versions in simulation.written.items() for _, body in versions if not body.isdigit()
    }

    async def load() -> list[tuple[str, bytes | None, str]]:
        return [(entry.key, entry.body, entry.reason) async for entry in simulation.dead_letters.list()]

    dead_letters = run_virtual(load())
    assert {(key, body) for key, body, _ in dead_letters} >= unusable, f"seed {seed}"
    assert all(reason in {"unreadable", "ValueError: can't apply it"} for _, _, reason in dead_letters), f"seed {seed}"


def simulation_detects(violation: str) -> bool:
    for seed in range(20):
        simulation = run_virtual(simulate(seed, recovery=30.0))
        violations = [*simulation.violations, *simulation.find_lost_versions(), *simulation.find_disordered_keys()]
        if any(each.startswith(violation) for each in violations):
            return True
    return False


def test_simulation_detects_checkpoint_before_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ShardWorker, "_position", lambda self: self._read_to)
    assert simulation_detects("checkpoint")


def test_simulation_detects_cursor_over_outbox(monkeypatch: pytest.MonkeyPatch) -> None:
    fetch = FakeOutbox.fetch

    async def fetch_after_last(self: FakeOutbox, known: Collection[int], limit: int) -> Sequence[OutboxRow]:
        last: int = getattr(self, "last", 0)
        rows = [row for row in await fetch(self, known, 1_000) if row.seq > last][:limit]
        self.__dict__["last"] = max((row.seq for row in rows), default=last)
        return rows

    monkeypatch.setattr(FakeOutbox, "fetch", fetch_after_last)
    assert simulation_detects("lost")


def test_simulation_detects_concurrent_delivery_of_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeliveryQueue, "_release_keys", lambda self, keys: self._busy_keys.clear())
    assert simulation_detects("order")


def test_simulation_detects_children_read_before_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_rules, "is_blocked", lambda lease, leases: False)
    assert simulation_detects("order")


def test_simulation_detects_resending_only_failed_records(monkeypatch: pytest.MonkeyPatch) -> None:
    def settle_only_failed(
        self: PublishQueue, batch: Sequence[QueuedRecord], outcomes: Sequence[str | None]
    ) -> tuple[list[QueuedRecord], list[QueuedRecord]]:
        failed = [record for record, outcome in zip(batch, outcomes, strict=True) if outcome is not None]
        acknowledged = [record for record in batch if record not in failed]
        self._unacknowledged -= len(acknowledged)
        self._release_keys({record.key for record in acknowledged} - {record.key for record in failed})
        return acknowledged, failed

    monkeypatch.setattr(PublishQueue, "settle", settle_only_failed)
    assert simulation_detects("disorder")
