"""How far an application is behind its stream, seen from outside: from its leases and the stream alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from millrace_feeds.clock import Clock
from millrace_feeds.errors import NotFound, UnknownPosition
from millrace_feeds.lease import Lease, LeaseStore
from millrace_feeds.transport import TRIM_HORIZON, Transport


@dataclass(frozen=True, slots=True)
class ShardLag:
    """`lag_ms` is the age of the first record behind the checkpoint, 0 without any, None without such a shard."""

    shard_id: str
    worker: str | None
    checkpoint: str
    lag_ms: int | None


async def read_lag(transport: Transport, stream: str, leases: LeaseStore, clock: Clock) -> Sequence[ShardLag]:
    """One entry per lease, by shard. Raises `Unavailable`."""
    rows = sorted(await leases.list(), key=lambda lease: lease.key)
    return [ShardLag(row.key, row.holder, row.checkpoint, await _lag_ms(transport, stream, row, clock)) for row in rows]


async def _lag_ms(transport: Transport, stream: str, lease: Lease, clock: Clock) -> int | None:
    if lease.ended:
        return 0
    try:
        try:
            iterator = await transport.open_iterator(stream, lease.key, lease.checkpoint)
        except UnknownPosition:
            # The consumer, too, starts such a shard from its beginning.
            iterator = await transport.open_iterator(stream, lease.key, TRIM_HORIZON)
        page = await transport.get_records(iterator, 1)
    except NotFound:
        return None
    if page.records:
        return max(0, int((clock.time() - page.records[0].arrived) * 1_000))
    return page.behind_ms
