"""The rules by which a fleet shares out leases: pure, no I/O, no clock of their own.

As KCL 2.x has them (amazon-kinesis-client, `DynamoDBLeaseTaker`, `DynamoDBLeaseRenewer`, `ShardSyncer`): a lease whose
counter stood still for the failover time of the *observer's* monotonic clock is free; a worker takes free leases up to
its fair share; without free ones it steals one at a time from the most loaded; a child waits for its parents' end.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from millrace_feeds.lease import Lease
from millrace_feeds.transport import LATEST, SHARD_END, TRIM_HORIZON, Shard


class LeaseView:
    """What one worker has seen of the table: since when each lease's counter stands still."""

    def __init__(self, failover: float) -> None:
        self._failover = failover
        self._seen: dict[str, tuple[int, str | None, float]] = {}

    def observe(self, leases: Iterable[Lease], now: float) -> None:
        """A read of the whole table; `now` is the observer's monotonic clock *before* the read."""
        seen: dict[str, tuple[int, str | None, float]] = {}
        for lease in leases:
            before = self._seen.get(lease.key)
            same = before is not None and before[:2] == (lease.counter, lease.holder)
            seen[lease.key] = before if same and before else (lease.counter, lease.holder, now)
        self._seen = seen

    def expired(self, lease: Lease, now: float) -> bool:
        """Whether the holder has been silent for the failover time."""
        before = self._seen.get(lease.key)
        if before is None or before[:2] != (lease.counter, lease.holder):
            return False
        return now - before[2] > self._failover


@dataclass(frozen=True, slots=True)
class Plan:
    """What a worker does next: leases to take over at once, and at most one to ask its holder for."""

    take: tuple[Lease, ...] = ()
    steal: Lease | None = None


def plan(
    leases: Sequence[Lease], view: LeaseView, *, worker: str, running: Collection[str], now: float, turn: int = 0
) -> Plan:
    """The next step of one worker.

    `running` are the leases that it works on. A lease that already names the worker is resumed whatever its share:
    it was handed over, or an earlier run of the same worker left it. `turn` varies which of several equal leases is
    chosen, so that workers don't all reach for the same one.
    """
    live = [lease for lease in leases if not lease.ended]
    mine = [lease for lease in live if worker in (lease.holder, lease.owner)]
    resumed = [lease for lease in mine if lease.holder == worker and lease.key not in running]
    resumable = tuple(lease for lease in resumed if not blocked(lease, leases))
    ready = [lease for lease in live if not blocked(lease, leases)]
    others = [lease for lease in ready if worker not in (lease.holder, lease.owner)]
    stalled = [lease for lease in mine if lease.owner == worker and lease.holder != worker and view.expired(lease, now)]
    free = [lease for lease in others if lease.holder is None or view.expired(lease, now)]
    taken_by = Counter(lease.owner for lease in ready if lease not in free and lease.owner is not None)
    taken_by.setdefault(worker, 0)
    share = math.ceil(len(ready) / len(taken_by))
    wanted = max(0, share - taken_by[worker])
    if free:
        start = turn % len(free)
        chosen = (free[start:] + free[:start])[:wanted]
        return Plan((*resumable, *stalled, *chosen))
    del taken_by[worker]
    return Plan((*resumable, *stalled), _steal(others, taken_by, share=share, wanted=wanted, turn=turn))


def _steal(others: Sequence[Lease], rivals: Mapping[str, int], *, share: int, wanted: int, turn: int) -> Lease | None:
    if not wanted or not rivals:
        return None
    count, richest = max((count, owner) for owner, count in rivals.items())
    # One more than the fair share may be stolen; of one who has just his share only by a worker that lacks two.
    if count <= share and not (wanted > 1 and count == share):
        return None
    candidates = [lease for lease in others if lease.owner == richest and lease.checkpoint_owner is None]
    return candidates[turn % len(candidates)] if candidates else None


def blocked(lease: Lease, leases: Iterable[Lease]) -> bool:
    """Whether a parent's records come first. A parent without a row has been worked off and cleaned up."""
    return bool(lease.parents) and any(row.key in lease.parents and not row.ended for row in leases)


def taken(lease: Lease, worker: str) -> Lease:
    """The row by which a worker takes a lease over."""
    switched = lease.holder != worker
    return replace(
        lease,
        owner=worker,
        checkpoint_owner=None,
        counter=lease.counter + 1,
        owner_switches=lease.owner_switches + switched,
    )


def requested(lease: Lease, worker: str) -> Lease:
    """The row by which a worker asks the holder for a lease: it finishes what is in flight, then lets go."""
    return replace(
        lease,
        owner=worker,
        checkpoint_owner=lease.holder,
        counter=lease.counter + 1,
        owner_switches=lease.owner_switches + 1,
    )


def beaten(lease: Lease, checkpoint: str) -> Lease:
    """The holder's heartbeat, with its position."""
    switches = lease.owner_switches if checkpoint == lease.checkpoint else 0
    return replace(lease, counter=lease.counter + 1, checkpoint=checkpoint, owner_switches=switches)


def released(lease: Lease, checkpoint: str) -> Lease:
    """The holder's last write: to the one who asked for the lease, else to whoever takes it."""
    owner = lease.owner if lease.checkpoint_owner is not None else None
    return replace(beaten(lease, checkpoint), owner=owner, checkpoint_owner=None)


class Standing(Enum):
    """What a holder finds when its write was refused."""

    KEPT = "kept"
    ASKED = "asked"
    LOST = "lost"


def standing(mine: Lease, row: Lease | None, worker: str, *, unsure: bool) -> Standing:
    """`mine` is the last row known to be written, `unsure` whether a later write may have landed unseen."""
    if row is None or row.holder != worker or row.counter <= mine.counter:
        return Standing.LOST
    if row.checkpoint_owner == worker and (unsure or row.counter == mine.counter + 1):
        return Standing.ASKED
    return Standing.KEPT if unsure else Standing.LOST


@dataclass(frozen=True, slots=True)
class Sync:
    """Rows to create, parents first, and rows to remove."""

    create: tuple[Lease, ...]
    remove: tuple[Lease, ...]


def sync(shards: Sequence[Shard], leases: Sequence[Lease], start: str) -> Sync:
    """Bring the table in line with the stream's shards.

    A closed shard whose descendants have rows was worked off before, or lies before the start: it gets none. A row
    goes when its shard has ended and its descendants have rows, or when the stream doesn't know the shard any more.
    """
    rows = {lease.key for lease in leases}
    children = _children(shards)
    fresh_start = start if not leases else TRIM_HORIZON
    ordered = _parents_first(shards)
    succeeded = _succeeded(ordered, children, rows)
    create: list[Lease] = []
    for shard in ordered:
        before_start = shard.shard_id in children and fresh_start == LATEST
        if not (before_start or shard.shard_id in rows or shard.shard_id in succeeded):
            create.append(_first_lease(shard, fresh_start))
    listed = {shard.shard_id for shard in shards}
    remove = tuple(
        lease for lease in leases if listed and (lease.key not in listed or (lease.ended and lease.key in succeeded))
    )
    return Sync(tuple(create), remove)


def _succeeded(
    parents_first: Sequence[Shard], children: Mapping[str, Sequence[str]], rows: Collection[str]
) -> set[str]:
    """The shards whose every child has a row, or had one and is succeeded in turn."""
    succeeded: set[str] = set()
    for shard in reversed(parents_first):
        offspring = children.get(shard.shard_id, ())
        if offspring and all(child in rows or child in succeeded for child in offspring):
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


def _children(shards: Iterable[Shard]) -> dict[str, list[str]]:
    children: dict[str, list[str]] = {}
    for shard in shards:
        for parent in shard.parents:
            children.setdefault(parent, []).append(shard.shard_id)
    return children


def _parents_first(shards: Sequence[Shard]) -> list[Shard]:
    """A worker that stops half-way through must not leave a child without its parents' rows."""
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


def ended(lease: Lease) -> Lease:
    """The holder's last write for a shard that has been read to its end."""
    return replace(released(lease, SHARD_END), owner=None)
