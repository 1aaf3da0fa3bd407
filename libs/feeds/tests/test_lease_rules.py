from dataclasses import replace

from millrace_feeds.lease import Lease
from millrace_feeds.lease_rules import (
    LeasePlan,
    LeaseView,
    Ownership,
    SyncPlan,
    check_ownership,
    end_lease,
    is_blocked,
    plan_leases,
    plan_sync,
    release_lease,
    renew_lease,
    request_handover,
    take_over,
)
from millrace_feeds.transport import LATEST, SHARD_END, TRIM_HORIZON, Shard

FAILOVER = 10.0


def lease(key: str, owner: str | None = None, *, counter: int = 1, parents: tuple[str, ...] = ()) -> Lease:
    return Lease(key, owner=owner, counter=counter, checkpoint=TRIM_HORIZON, parents=parents)


def plan_for(
    *leases: Lease, worker: str = "me", running: set[str] | None = None, view: LeaseView | None = None
) -> LeasePlan:
    if view is None:
        view = LeaseView(FAILOVER)
        view.observe(leases, 0.0)
    held = {row.key for row in leases if row.holder == worker} if running is None else running
    return plan_leases(leases, view, worker=worker, running=held, now=1.0)


def test_single_worker_takes_all_free_leases() -> None:
    step = plan_for(lease("0"), lease("1"), lease("2"))
    assert {row.key for row in step.take} == {"0", "1", "2"}


def test_worker_takes_only_its_share_of_free_leases() -> None:
    step = plan_for(lease("0", "other"), lease("1"), lease("2"), lease("3"))
    assert len(step.take) == 2


def test_lease_expires_by_observers_clock() -> None:
    view = LeaseView(FAILOVER)
    row = lease("0", "other")
    view.observe([row], 50.0)
    assert not view.is_expired(row, 60.0)
    assert view.is_expired(row, 60.1)
    view.observe([replace(row, counter=2)], 60.1)
    assert not view.is_expired(replace(row, counter=2), 65.0), "its counter moved"


def test_new_worker_waits_for_failover_time() -> None:
    view = LeaseView(FAILOVER)
    row = lease("0", "dead")
    view.observe([row], 5.0)
    assert plan_leases([row], view, worker="me", running=(), now=5.0) == LeasePlan()
    view.observe([row], 16.0)
    assert plan_leases([row], view, worker="me", running=(), now=16.0).take == (row,)


def test_lease_is_stolen_from_most_loaded_worker() -> None:
    step = plan_for(lease("0", "a"), lease("1", "b"), lease("2", "b"), lease("3", "b"))
    assert step.take == ()
    assert step.steal is not None
    assert step.steal.owner == "b"


def test_balanced_workers_steal_nothing() -> None:
    assert plan_for(lease("0", "me"), lease("1", "b"), lease("2", "b")) == LeasePlan()
    assert plan_for(lease("0", "b")) == LeasePlan(), "more workers than leases"


def test_handover_in_progress_counts_for_new_owner() -> None:
    requested = request_handover(lease("1", "b"), "me")
    assert plan_for(lease("0", "b"), requested) == LeasePlan()


def test_handed_over_lease_is_taken_after_release() -> None:
    requested = request_handover(lease("1", "b"), "me")
    assert requested.holder == "b"
    released = release_lease(requested, "17")
    assert (released.holder, released.checkpoint) == ("me", "17")
    assert plan_for(lease("0", "b"), released, running=set()).take == (released,)


def test_handover_from_dead_holder_is_taken_after_failover_time() -> None:
    requested = request_handover(lease("1", "b"), "me")
    view = LeaseView(FAILOVER)
    view.observe([requested], 0.0)
    assert plan_leases([requested], view, worker="me", running=(), now=10.5).take == (requested,)


def test_restarted_worker_resumes_its_leases_immediately() -> None:
    mine = lease("0", "me")
    assert plan_for(mine, running=set()).take == (mine,)


def test_child_waits_for_all_parents() -> None:
    left, right = lease("0"), lease("1")
    child = lease("2", parents=("0", "1"))
    assert is_blocked(child, [left, right, child])
    assert is_blocked(child, [end_lease(left), right, child])
    assert not is_blocked(child, [end_lease(left), end_lease(right), child])
    assert not is_blocked(child, [child]), "removed parents were finished"
    assert plan_for(end_lease(left), right, child).take == (right,)


def test_owner_switches_are_reset_by_checkpoint() -> None:
    row = take_over(lease("0", "other", counter=7), "me")
    assert (row.owner, row.counter, row.owner_switches) == ("me", 8, 1)
    assert renew_lease(row, row.checkpoint).owner_switches == 1
    assert renew_lease(row, "42").owner_switches == 0


def test_end_lease_clears_owner() -> None:
    row = end_lease(lease("0", "me"))
    assert (row.checkpoint, row.owner) == (SHARD_END, None)


def test_ownership_after_failed_write() -> None:
    mine = lease("0", "me", counter=5)

    def ownership(row: Lease | None, *, write_uncertain: bool = False) -> Ownership:
        return check_ownership(mine, row, "me", write_uncertain=write_uncertain)

    assert ownership(None) is Ownership.LOST
    assert ownership(take_over(mine, "thief")) is Ownership.LOST
    assert ownership(request_handover(mine, "thief")) is Ownership.HANDOVER_REQUESTED
    assert ownership(renew_lease(mine, "9"), write_uncertain=True) is Ownership.HELD
    assert ownership(renew_lease(mine, "9")) is Ownership.LOST, "another worker of the same name"
    assert ownership(replace(mine, counter=3), write_uncertain=True) is Ownership.LOST, "the table was restored"


PARENT, CHILDREN = Shard("0"), (Shard("1", ("0",)), Shard("2", ("0",)))


def test_empty_table_gets_all_shards_parents_first() -> None:
    change = plan_sync([*CHILDREN, PARENT], [], TRIM_HORIZON)
    assert [row.key for row in change.create] == ["0", "1", "2"]
    assert {row.checkpoint for row in change.create} == {TRIM_HORIZON}


def test_start_at_latest_omits_closed_shards() -> None:
    change = plan_sync([PARENT, *CHILDREN], [], LATEST)
    assert [(row.key, row.checkpoint) for row in change.create] == [("1", LATEST), ("2", LATEST)]


def test_later_child_is_read_from_its_start() -> None:
    change = plan_sync([PARENT, *CHILDREN], [lease("0", "me")], LATEST)
    assert [(row.key, row.checkpoint) for row in change.create] == [("1", TRIM_HORIZON), ("2", TRIM_HORIZON)]


def test_ended_shard_is_removed_once_its_children_have_rows() -> None:
    done, one, two = end_lease(lease("0")), lease("1"), lease("2")
    assert plan_sync([PARENT, *CHILDREN], [done, one], TRIM_HORIZON).remove == ()
    assert plan_sync([PARENT, *CHILDREN], [done, one, two], TRIM_HORIZON).remove == (done,)
    assert plan_sync([PARENT, *CHILDREN], [one, two], TRIM_HORIZON).create == ()


def test_removed_shard_is_not_created_again() -> None:
    merged = Shard("3", ("1", "2"))
    listing = [PARENT, *CHILDREN, merged]
    assert plan_sync(listing, [lease("3")], TRIM_HORIZON) == SyncPlan((), ())
    assert plan_sync(listing, [end_lease(lease("0")), lease("3")], TRIM_HORIZON).remove == (end_lease(lease("0")),)


def test_lease_of_unknown_shard_is_removed_unless_listing_is_empty() -> None:
    stray = lease("9", "me")
    assert plan_sync([PARENT], [lease("0"), stray], TRIM_HORIZON).remove == (stray,)
    assert plan_sync([], [stray], TRIM_HORIZON).remove == ()
