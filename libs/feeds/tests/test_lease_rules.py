from dataclasses import replace

from millrace_feeds.lease import Lease
from millrace_feeds.lease_rules import (
    LeaseView,
    Plan,
    Standing,
    Sync,
    beaten,
    blocked,
    ended,
    plan,
    released,
    requested,
    standing,
    sync,
    taken,
)
from millrace_feeds.transport import LATEST, SHARD_END, TRIM_HORIZON, Shard

FAILOVER = 10.0


def lease(key: str, owner: str | None = None, *, counter: int = 1, parents: tuple[str, ...] = ()) -> Lease:
    return Lease(key, owner=owner, counter=counter, checkpoint=TRIM_HORIZON, parents=parents)


def planned(*leases: Lease, worker: str = "me", running: set[str] | None = None, view: LeaseView | None = None) -> Plan:
    if view is None:
        view = LeaseView(FAILOVER)
        view.observe(leases, 0.0)
    held = {row.key for row in leases if row.holder == worker} if running is None else running
    return plan(leases, view, worker=worker, running=held, now=1.0)


def test_a_lone_worker_takes_every_free_lease() -> None:
    step = planned(lease("0"), lease("1"), lease("2"))
    assert {row.key for row in step.take} == {"0", "1", "2"}


def test_a_worker_takes_no_more_than_its_share_of_the_free_leases() -> None:
    step = planned(lease("0", "other"), lease("1"), lease("2"), lease("3"))
    assert len(step.take) == 2


def test_a_lease_expires_by_the_observers_own_clock() -> None:
    view = LeaseView(FAILOVER)
    row = lease("0", "other")
    view.observe([row], 50.0)
    assert not view.expired(row, 60.0)
    assert view.expired(row, 60.1)
    view.observe([replace(row, counter=2)], 60.1)
    assert not view.expired(replace(row, counter=2), 65.0), "its counter moved"


def test_a_newcomer_waits_for_the_failover_time() -> None:
    view = LeaseView(FAILOVER)
    row = lease("0", "dead")
    view.observe([row], 5.0)
    assert plan([row], view, worker="me", running=(), now=5.0) == Plan()
    view.observe([row], 16.0)
    assert plan([row], view, worker="me", running=(), now=16.0).take == (row,)


def test_without_free_leases_one_is_stolen_from_the_most_loaded() -> None:
    step = planned(lease("0", "a"), lease("1", "b"), lease("2", "b"), lease("3", "b"))
    assert step.take == ()
    assert step.steal is not None
    assert step.steal.owner == "b"


def test_a_balanced_fleet_steals_nothing() -> None:
    assert planned(lease("0", "me"), lease("1", "b"), lease("2", "b")) == Plan()
    assert planned(lease("0", "b")) == Plan(), "more workers than leases"


def test_a_lease_that_is_being_handed_over_counts_for_its_new_owner() -> None:
    asked = requested(lease("1", "b"), "me")
    assert planned(lease("0", "b"), asked) == Plan()


def test_a_handed_over_lease_is_taken_once_its_holder_let_go() -> None:
    asked = requested(lease("1", "b"), "me")
    assert asked.holder == "b"
    let_go = released(asked, "17")
    assert (let_go.holder, let_go.checkpoint) == ("me", "17")
    assert planned(lease("0", "b"), let_go, running=set()).take == (let_go,)


def test_a_handover_whose_holder_died_is_taken_after_the_failover_time() -> None:
    asked = requested(lease("1", "b"), "me")
    view = LeaseView(FAILOVER)
    view.observe([asked], 0.0)
    assert plan([asked], view, worker="me", running=(), now=10.5).take == (asked,)


def test_a_worker_that_comes_back_resumes_its_leases_at_once() -> None:
    mine = lease("0", "me")
    assert planned(mine, running=set()).take == (mine,)


def test_children_wait_for_all_of_their_parents() -> None:
    left, right = lease("0"), lease("1")
    child = lease("2", parents=("0", "1"))
    assert blocked(child, [left, right, child])
    assert blocked(child, [ended(left), right, child])
    assert not blocked(child, [ended(left), ended(right), child])
    assert not blocked(child, [child]), "parents that were cleaned up were finished"
    assert planned(ended(left), right, child).take == (right,)


def test_taking_counts_a_switch_and_a_checkpoint_forgets_them() -> None:
    row = taken(lease("0", "other", counter=7), "me")
    assert (row.owner, row.counter, row.owner_switches) == ("me", 8, 1)
    assert beaten(row, row.checkpoint).owner_switches == 1
    assert beaten(row, "42").owner_switches == 0


def test_a_shards_end_lets_go_of_the_lease() -> None:
    row = ended(lease("0", "me"))
    assert (row.checkpoint, row.owner) == (SHARD_END, None)


def test_what_a_refused_write_means() -> None:
    mine = lease("0", "me", counter=5)
    assert standing(mine, None, "me", unsure=False) is Standing.LOST
    assert standing(mine, taken(mine, "thief"), "me", unsure=False) is Standing.LOST
    assert standing(mine, requested(mine, "thief"), "me", unsure=False) is Standing.ASKED
    assert standing(mine, beaten(mine, "9"), "me", unsure=True) is Standing.KEPT
    assert standing(mine, beaten(mine, "9"), "me", unsure=False) is Standing.LOST, "a namesake"
    assert standing(mine, replace(mine, counter=3), "me", unsure=True) is Standing.LOST, "the table went back in time"


PARENT, CHILDREN = Shard("0"), (Shard("1", ("0",)), Shard("2", ("0",)))


def test_an_empty_table_gets_every_shard_parents_first() -> None:
    change = sync([*CHILDREN, PARENT], [], TRIM_HORIZON)
    assert [row.key for row in change.create] == ["0", "1", "2"]
    assert {row.checkpoint for row in change.create} == {TRIM_HORIZON}


def test_starting_at_the_tip_leaves_closed_shards_out() -> None:
    change = sync([PARENT, *CHILDREN], [], LATEST)
    assert [(row.key, row.checkpoint) for row in change.create] == [("1", LATEST), ("2", LATEST)]


def test_a_child_that_appears_later_is_read_from_its_start_wherever_the_application_started() -> None:
    change = sync([PARENT, *CHILDREN], [lease("0", "me")], LATEST)
    assert [(row.key, row.checkpoint) for row in change.create] == [("1", TRIM_HORIZON), ("2", TRIM_HORIZON)]


def test_an_ended_shard_is_cleaned_up_once_its_children_have_rows_and_stays_gone() -> None:
    done, one, two = ended(lease("0")), lease("1"), lease("2")
    assert sync([PARENT, *CHILDREN], [done, one], TRIM_HORIZON).remove == ()
    assert sync([PARENT, *CHILDREN], [done, one, two], TRIM_HORIZON).remove == (done,)
    assert sync([PARENT, *CHILDREN], [one, two], TRIM_HORIZON).create == ()


def test_a_shard_whose_children_are_cleaned_up_too_stays_gone() -> None:
    merged = Shard("3", ("1", "2"))
    listing = [PARENT, *CHILDREN, merged]
    assert sync(listing, [lease("3")], TRIM_HORIZON) == Sync((), ())
    assert sync(listing, [ended(lease("0")), lease("3")], TRIM_HORIZON).remove == (ended(lease("0")),)


def test_a_lease_whose_shard_is_unknown_goes_but_an_empty_listing_proves_nothing() -> None:
    stray = lease("9", "me")
    assert sync([PARENT], [lease("0"), stray], TRIM_HORIZON).remove == (stray,)
    assert sync([], [stray], TRIM_HORIZON).remove == ()
