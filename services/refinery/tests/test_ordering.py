"""The rules that order the versions of a key."""

import math
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace_refinery.ordering import (
    Arrival,
    Conflict,
    Decision,
    Drop,
    Emit,
    Hold,
    KeyState,
    Limits,
    order_arrival,
    settle_version,
    skip_expired_gaps,
)

from .factories import SHARD, change, practice

LIMITS = Limits(wait=5.0)


def arrival(version: int, *, digest: str = "", replay: bool = False) -> Arrival:
    return Arrival(change(practice(), version, replay=replay), digest or f"digest-{version}", size=100)


class Key:
    """State of one key with its limits and a clock; collects all outcomes."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.state = KeyState()
        self.limits = limits
        self.now = 1000.0
        self.outcomes: list[object] = []

    def _take(self, decision: Decision) -> Sequence[object]:
        self.state = decision.state
        self.outcomes.extend(decision.outcomes)
        return decision.outcomes

    def arrive(self, each: Arrival) -> Sequence[object]:
        return self._take(order_arrival(self.state, each, now=self.now, shard=SHARD, limits=self.limits))

    def arrive_all(self, versions: Iterable[int]) -> None:
        for version in versions:
            self.arrive(arrival(version))

    def settle(self, version: int) -> Sequence[object]:
        return self._take(settle_version(self.state, version, now=self.now))

    def expire(self) -> Sequence[object]:
        return self._take(skip_expired_gaps(self.state, now=self.now))

    @property
    def emitted(self) -> list[int]:
        return [each.envelope.entityversion for each in self.outcomes if isinstance(each, Emit)]

    @property
    def skipped(self) -> int:
        return sum(each.skipped for each in self.outcomes if isinstance(each, Emit))


def test_versions_in_order_are_emitted_immediately() -> None:
    key = Key()
    key.arrive_all([1, 2, 3])
    assert key.emitted == [1, 2, 3]
    assert key.state == KeyState(emitted=3, settled=3, digest="digest-3", emitted_at=1000.0)


def test_emitted_version_is_duplicate_and_older_one_is_stale() -> None:
    key = Key()
    key.arrive_all([1, 2])
    assert key.arrive(arrival(2)) == (Drop(arrival(2).envelope, "duplicate"),)
    assert key.arrive(arrival(1)) == (Drop(arrival(1).envelope, "stale"),)


@pytest.mark.parametrize("versions", [pytest.param([1], id="emitted"), pytest.param([1, 3], id="held")])
def test_other_content_of_a_received_version_is_a_conflict(versions: list[int]) -> None:
    key = Key()
    key.arrive_all(versions)
    other = arrival(versions[-1], digest="other")
    assert key.arrive(other) == (Conflict(other.envelope),)
    assert key.arrive(arrival(versions[-1])) == (Drop(other.envelope, "duplicate"),)


def test_version_after_a_gap_is_emitted_once_the_gap_is_filled() -> None:
    key = Key()
    key.arrive_all([1])
    assert key.arrive(arrival(3)) == (Hold(arrival(3).envelope, until=1005.0),)
    key.arrive_all([4, 2])
    assert key.emitted == [1, 2, 3, 4]
    assert key.skipped == 0
    assert key.state.due is None


def test_gap_is_skipped_at_the_end_of_the_wait() -> None:
    key = Key()
    key.arrive_all([1, 4])
    key.now += 4.9
    assert key.expire() == ()
    key.now += 0.1
    assert key.expire() == (Emit(arrival(4).envelope, skipped=2),)
    key.now += 60
    assert key.expire() == ()
    assert key.skipped == 2


def test_version_after_its_gap_was_skipped_is_stale() -> None:
    key = Key()
    key.arrive_all([1, 3])
    key.now += 5
    key.expire()
    assert key.arrive(arrival(2)) == (Drop(arrival(2).envelope, "stale"),)


def test_each_version_has_its_own_wait_and_never_overtakes_a_lower_one() -> None:
    key = Key()
    key.arrive_all([5])
    key.now += 3
    key.arrive_all([3, 8])
    key.now += 2
    key.expire()
    assert key.emitted == [3, 5]
    assert key.skipped == 3
    key.now += 3
    key.expire()
    assert key.emitted == [3, 5, 8]
    assert key.skipped == 5


@pytest.mark.parametrize(
    ("limits", "versions", "skipped"),
    [
        pytest.param(Limits(versions=2), [1, 3, 5, 6], 2, id="versions"),
        pytest.param(Limits(size=99), [2], 1, id="bytes"),
        pytest.param(Limits(wait=0), [1, 7], 5, id="wait"),
    ],
)
def test_exceeding_a_limit_skips_the_gap(limits: Limits, versions: list[int], skipped: int) -> None:
    key = Key(limits)
    key.arrive_all(versions)
    assert (key.emitted, key.skipped) == (versions, skipped)


def test_replay_is_emitted_over_a_gap_without_counting_it() -> None:
    key = Key()
    key.arrive(arrival(9, replay=True))
    assert key.emitted == [9]
    assert key.skipped == 0


def test_replay_of_the_emitted_version_is_emitted_but_not_an_older_one() -> None:
    key = Key()
    key.arrive_all([1, 2])
    key.arrive(arrival(2, replay=True))
    key.arrive(arrival(1, replay=True))
    assert key.emitted == [1, 2, 2]


def test_replay_drops_held_versions_below_and_emits_those_above() -> None:
    key = Key()
    key.arrive_all([3, 5, 6])
    key.arrive(arrival(5, replay=True))
    assert key.emitted == [5, 6]
    dropped = [(each.envelope.entityversion, each.reason) for each in key.outcomes if isinstance(each, Drop)]
    assert dropped == [(3, "stale"), (5, "duplicate")]


@pytest.mark.parametrize(
    ("before", "dead_lettered", "after", "emitted"),
    [
        pytest.param([1], [2], [3], [1, 3], id="leaves-no-gap"),
        pytest.param([1, 3], [2], [], [1, 3], id="releases-waiting-versions"),
        pytest.param([1], [2, 3], [2, 3], [1, 2, 3], id="redriven-before-a-newer-one"),
        pytest.param([1], [3], [4], [1], id="after-a-gap-does-not-close-it"),
    ],
)
def test_dead_lettered_versions(
    before: list[int], dead_lettered: list[int], after: list[int], emitted: list[int]
) -> None:
    key = Key()
    key.arrive_all(before)
    for version in dead_lettered:
        key.settle(version)
    key.arrive_all(after)
    assert (key.emitted, key.skipped) == (emitted, 0)


@st.composite
def deliveries(draw: st.DrawFn) -> list[int]:
    """Generate versions 1 to n in any order, some of them repeated."""
    versions = list(range(1, draw(st.integers(1, 12)) + 1))
    again = draw(st.lists(st.sampled_from(versions), max_size=12))
    return draw(st.permutations(versions + again))


@given(deliveries())
def test_any_order_with_duplicates_is_emitted_in_order_and_complete(versions: list[int]) -> None:
    key = Key()
    key.arrive_all(versions)
    assert key.emitted == list(range(1, max(versions) + 1))
    assert key.skipped == 0
    assert key.state.held == ()


@given(deliveries(), st.sets(st.integers(1, 12)), st.lists(st.floats(0, 3), max_size=24))
def test_with_lost_versions_the_rest_rises_and_each_gap_counts_once(
    versions: list[int], lost: set[int], pauses: list[float]
) -> None:
    key = Key()
    for place, version in enumerate(versions):
        if version not in lost:
            key.arrive(arrival(version))
        key.now += pauses[place] if place < len(pauses) else 0.0
        key.expire()
    key.now += LIMITS.wait
    key.expire()
    assert key.state.held == ()
    assert key.emitted == sorted(set(key.emitted))
    assert len(key.emitted) + key.skipped == max(key.emitted, default=0)


@given(deliveries(), st.integers(1, 4))
def test_key_never_holds_more_than_its_limit(versions: list[int], limit: int) -> None:
    key = Key(Limits(versions=limit))
    for version in versions:
        key.arrive(arrival(version))
        assert len(key.state.held) <= limit
    key.now = math.inf
    key.expire()
    assert max(key.emitted) == max(versions)
