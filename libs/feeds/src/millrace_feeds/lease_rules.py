"""Rules by which the workers of an application distribute leases: pure functions without I/O or clock.

They follow KCL 2.x (amazon-kinesis-client, `DynamoDBLeaseTaker`, `DynamoDBLeaseRenewer`, `ShardSyncer`): a lease whose
counter didn't change for the failover time on the *observer's* monotonic clock is free; a worker takes free leases up
to its fair share; if none is free, it steals one at a time from the most loaded worker; a child shard waits until its
parents are finished.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from millrace_feeds.lease import Lease
from millrace_feeds.transport import LATEST, SHARD_END, TRIM_HORIZON, Shard


class LeaseView:
    """Remembers when one worker first saw each lease's current counter, to detect expired leases."""

    def __init__(self, failover: float) -> None:
        self._failover = failover
        self._seen: dict[str, tuple[int, str | None, float]] = {}

    def observe(self, leases: Iterable[Lease], now: float) -> None:
        """Record the leases of a read; `now` is the observer's monotonic time *before* the read, in seconds."""
        seen: dict[str, tuple[int, str | None, float]] = {}
        for lease in leases:
            before = self._seen.get(lease.key)
            same = before is not None and before[:2] == (lease.counter, lease.holder)
            seen[lease.key] = before if same and before else (lease.counter, lease.holder, now)
        self._seen = seen

    def is_expired(self, lease: Lease, now: float) -> bool:
        """Return whether the holder hasn't renewed the lease for the failover time."""
        before = self._seen.get(lease.key)
        if before is None or before[:2] != (lease.counter, lease.holder):
            return False
        return now - before[2] > self._failover


@dataclass(frozen=True, slots=True)
class LeasePlan:
    """A worker's next step: the leases to take over now, and at most one (`steal`) to request from its holder."""

    take: tuple[Lease, ...] = ()
    steal: Lease | None = None


def plan_leases(
    leases: Sequence[Lease], view: LeaseView, *, worker: str, running: Collection[str], now: float, rotation: int = 0
) -> LeasePlan:
    """Return which leases a worker takes over or requests next; `now` is the view's monotonic time in seconds.

    `running` are the keys of the leases that it works on. A lease that already names the worker is resumed even beyond
    its share: it was handed over, or an earlier run of the same worker left it. `rotation` varies which of several
    equal leases is chosen, so that workers don't compete for the same one.
    """
    live = [lease for lease in leases if not lease.is_ended]
    mine = [lease for lease in live if worker in (lease.holder, lease.owner)]
    resumed = [lease for lease in mine if lease.holder == worker and lease.key not in running]
    resumable = tuple(lease for lease in resumed if not is_blocked(lease, leases))
    ready = [lease for lease in live if not is_blocked(lease, leases)]
    others = [lease for lease in ready if worker not in (lease.holder, lease.owner)]
    requested = [lease for lease in mine if lease.owner == worker and lease.holder != worker]
    stalled = [lease for lease in requested if view.is_expired(lease, now)]
    free = [lease for lease in others if lease.holder is None or view.is_expired(lease, now)]
    counts = Counter(lease.owner for lease in ready if lease not in free and lease.owner is not None)
    counts.setdefault(worker, 0)
    share = math.ceil(len(ready) / len(counts))
    wanted = max(0, share - counts[worker])
    if free:
        start = rotation % len(free)
        chosen = (free[start:] + free[:start])[:wanted]
        return LeasePlan((*resumable, *stalled, *chosen))
    del counts[worker]
    steal = _choose_lease_to_steal(others, counts, share=share, wanted=wanted, rotation=rotation)
    return LeasePlan((*resumable, *stalled), steal)


def _choose_lease_to_steal(
    others: Sequence[Lease], counts: Mapping[str, int], *, share: int, wanted: int, rotation: int
) -> Lease | None:
    """Choose a lease of the other worker that has most, None to leave all; `counts` has the leases of each worker."""
    if not wanted or not counts:
        return None
    count, most_loaded = max((count, owner) for owner, count in counts.items())
    # A worker with more leases than its share loses one; one with exactly its share only to a worker that lacks two.
    if count <= share and not (wanted > 1 and count == share):
        return None
    candidates = [lease for lease in others if lease.owner == most_loaded and lease.checkpoint_owner is None]
    return candidates[rotation % len(candidates)] if candidates else None


def is_blocked(lease: Lease, leases: Iterable[Lease]) -> bool:
    """Return whether a parent of the lease's shard isn't finished. A parent without a row was finished and removed."""
    return bool(lease.parents) and any(row.key in lease.parents and not row.is_ended for row in leases)


def take_over(lease: Lease, worker: str) -> Lease:
    """Return the lease as `worker` writes it to become its holder."""
    switched = lease.holder != worker
    return replace(
        lease,
        owner=worker,
        checkpoint_owner=None,
        counter=lease.counter + 1,
        owner_switches=lease.owner_switches + switched,
    )


def request_handover(lease: Lease, worker: str) -> Lease:
    """Return the lease as `worker` writes it to request a handover; the holder finishes its calls and releases it."""
    return replace(
        lease,
        owner=worker,
        checkpoint_owner=lease.holder,
        counter=lease.counter + 1,
        owner_switches=lease.owner_switches + 1,
    )


def renew_lease(lease: Lease, checkpoint: str) -> Lease:
    """Return the lease as its holder writes it to renew it, with a new checkpoint."""
    switches = lease.owner_switches if checkpoint == lease.checkpoint else 0
    return replace(lease, counter=lease.counter + 1, checkpoint=checkpoint, owner_switches=switches)


def release_lease(lease: Lease, checkpoint: str) -> Lease:
    """Return the lease as its holder releases it: owned by the worker that requested it, or else free."""
    owner = lease.owner if lease.checkpoint_owner is not None else None
    return replace(renew_lease(lease, checkpoint), owner=owner, checkpoint_owner=None)


class Ownership(Enum):
    """Whether a worker still holds a lease after its conditional write failed, and if another requested it."""

    HELD = "held"
    HANDOVER_REQUESTED = "handover requested"
    LOST = "lost"


def check_ownership(mine: Lease, row: Lease | None, worker: str, *, write_uncertain: bool) -> Ownership:
    """Determine from the stored `row` whether `worker` still holds the lease after its write failed.

    `mine` is the last row known to be written; `write_uncertain` states whether a later write without a response may
    have been stored.
    """
    if row is None or row.holder != worker or row.counter <= mine.counter:
        return Ownership.LOST
    if row.checkpoint_owner == worker and (write_uncertain or row.counter == mine.counter + 1):
        return Ownership.HANDOVER_REQUESTED
    return Ownership.HELD if write_uncertain else Ownership.LOST


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """Changes of the lease table: rows to create, those of parent shards first, and rows to remove."""

    create: tuple[Lease, ...]
    remove: tuple[Lease, ...]


def plan_sync(shards: Sequence[Shard], leases: Sequence[Lease], start: str) -> SyncPlan:
    """Return the changes that bring the lease table in line with the stream's shards.

    `start` (`TRIM_HORIZON` or `LATEST`) is the first checkpoint if the table is empty. A closed shard whose descendants
    have rows gets no row: it was finished earlier, or precedes the start. A row is
    removed when its shard is finished and its descendants have rows, or when the stream no longer has the shard.
    """
    rows = {lease.key for lease in leases}
    children = _children_by_parent(shards)
    fresh_start = start if not leases else TRIM_HORIZON
    ordered = _parents_first(shards)
    succeeded = _find_succeeded_shards(ordered, children, rows)
    create: list[Lease] = []
    for shard in ordered:
        before_start = shard.shard_id in children and fresh_start == LATEST
        if not (before_start or shard.shard_id in rows or shard.shard_id in succeeded):
            create.append(_first_lease(shard, fresh_start))
    listed = {shard.shard_id for shard in shards}
    remove = tuple(
        lease for lease in leases if listed and (lease.key not in listed or (lease.is_ended and lease.key in succeeded))
    )
    return SyncPlan(tuple(create), remove)


def _find_succeeded_shards(
    parents_first: Sequence[Shard], children: Mapping[str, Sequence[str]], rows: Collection[str]
) -> set[str]:
    """Return the ids of shards whose every child has a row, or has itself been succeeded by children with rows."""
    succeeded: set[str] = set()
    for shard in reversed(parents_first):
        child_ids = children.get(shard.shard_id, ())
        if child_ids and all(child in rows or child in succeeded for child in child_ids):
            succeeded.add(shard.shard_id)
    return succeeded


def _first_lease(shard: Shard, checkpoint: str) -> Lease:
    return Lease(
        shard.shard_id,
        checkpoint=checkpoint,
        parents=shard.parents,
        starting_hash_key=shard.starting_hash_key,
        ending_hash_key=shard.ending_hash_key,
    )


def _children_by_parent(shards: Iterable[Shard]) -> dict[str, list[str]]:
    children: dict[str, list[str]] = {}
    for shard in shards:
        for parent in shard.parents:
            children.setdefault(parent, []).append(shard.shard_id)
    return children


def _parents_first(shards: Sequence[Shard]) -> list[Shard]:
    """Order parents before children: a worker that stops halfway through creating rows leaves no child without them."""
    by_id = {shard.shard_id: shard for shard in shards}
    ordered: dict[str, Shard] = {}

    def visit(shard: Shard) -> None:
        for parent in shard.parents:
            if parent in by_id and parent not in ordered:
                visit(by_id[parent])
        ordered[shard.shard_id] = shard

    for shard in shards:
        visit(shard)
    return list(ordered.values())


def end_lease(lease: Lease) -> Lease:
    """Return the lease as its holder writes it once the shard is finished: free, at `SHARD_END`."""
    return replace(release_lease(lease, SHARD_END), owner=None)
