"""Measure how far an application is behind from its lease table and the stream, without access to its process."""

from collections.abc import Sequence
from dataclasses import dataclass

from millrace_feeds.clock import Clock
from millrace_feeds.errors import NotFound, UnknownPosition
from millrace_feeds.lease import Lease, LeaseStore
from millrace_feeds.transport import TRIM_HORIZON, Transport


@dataclass(frozen=True, slots=True)
class ShardLag:
    """How far an application is behind on one shard.

    `lag_ms` is the age in ms of the first record after the checkpoint, 0 if there is no such record, None if the stream
    no longer has the shard. `worker` is the name of the lease's holder, None if the lease is free.
    """

    shard_id: str
    worker: str | None
    checkpoint: str
    lag_ms: int | None


async def read_lag(transport: Transport, stream: str, leases: LeaseStore, clock: Clock) -> Sequence[ShardLag]:
    """Return the lag of each shard in the lease table, sorted by shard id. Raises `Unavailable`."""
    rows = sorted(await leases.list(), key=lambda lease: lease.key)
    return [ShardLag(row.key, row.holder, row.checkpoint, await _lag_ms(transport, stream, row, clock)) for row in rows]


async def _lag_ms(transport: Transport, stream: str, lease: Lease, clock: Clock) -> int | None:
    if lease.is_ended:
        return 0
    try:
        try:
            iterator = await transport.open_iterator(stream, lease.key, lease.checkpoint)
        except UnknownPosition:
            # The consumer, too, starts at the shard's beginning if its checkpoint is unknown.
            iterator = await transport.open_iterator(stream, lease.key, TRIM_HORIZON)
        page = await transport.get_records(iterator, 1)
    except NotFound:
        return None
    if page.records:
        return max(0, int((clock.time() - page.records[0].arrived) * 1_000))
    return page.behind_ms
