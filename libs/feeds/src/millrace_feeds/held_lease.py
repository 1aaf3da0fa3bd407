"""Write a lease's row as its holder: heartbeats, checkpoints, release."""

import asyncio
from collections.abc import Callable

from millrace_feeds.clock import Clock
from millrace_feeds.errors import LeaseLost
from millrace_feeds.lease import Lease, LeaseStore
from millrace_feeds.lease_rules import Ownership, check_ownership, end_lease, release_lease, renew_lease


class HeldLease:
    """Writes the row of one lease for its holder (the worker that processes the shard), one write at a time.

    The methods raise `LeaseLost` if the worker has lost the lease, `Unavailable` if the table can't be reached.
    """

    def __init__(self, lease: Lease, *, store: LeaseStore, worker: str, clock: Clock, failover: float) -> None:
        self.lease = lease
        self.handover_requested = lease.checkpoint_owner is not None
        self._store = store
        self._worker = worker
        self._clock = clock
        self._failover = failover
        self._renewed_at = clock.monotonic()
        self._write_uncertain = False
        self._writing = asyncio.Lock()

    @property
    def seconds_since_renewal(self) -> float:
        """Seconds since the start of the last write that is known to be stored."""
        return self._clock.monotonic() - self._renewed_at

    @property
    def is_expired(self) -> bool:
        """Whether other workers may already regard the lease as free."""
        return self.seconds_since_renewal > self._failover

    async def renew(self, checkpoint: str) -> None:
        """Renew the lease and move the checkpoint; set `handover_requested` if another worker requested the lease."""
        await self._write(lambda lease: renew_lease(lease, checkpoint))

    async def release(self, checkpoint: str) -> None:
        """Write the checkpoint and release the lease, so that another worker can take it immediately."""
        await self._write(lambda lease: release_lease(lease, checkpoint))

    async def end(self) -> None:
        """Mark the closed shard as finished, so that workers can read its child shards; release the lease."""
        await self._write(end_lease)

    async def _write(self, change: Callable[[Lease], Lease]) -> None:
        async with self._writing:
            # A handover request, or a write of ours that timed out but was stored, makes a write fail, too: retry.
            for _ in range(3):
                if await self._update(change(self.lease)):
                    return
                await self._reload()
            raise LeaseLost(f"{self.lease.key}: other workers keep writing it")

    async def _update(self, row: Lease) -> bool:
        started = self._clock.monotonic()
        try:
            is_updated = await self._store.update(row, self.lease.counter)
        except BaseException:  # the write may have been stored, even if this task was cancelled
            self._write_uncertain = True
            raise
        if is_updated:
            self.lease, self._renewed_at, self._write_uncertain = row, started, False
        return is_updated

    async def _reload(self) -> None:
        row = await self._store.get(self.lease.key)
        ownership = check_ownership(self.lease, row, self._worker, write_uncertain=self._write_uncertain)
        if row is None or ownership is Ownership.LOST:
            raise LeaseLost(f"{self.lease.key}: {f'held by {row.holder}' if row else 'its row was deleted'}")
        self.lease = row
        self._write_uncertain = False
        self.handover_requested = self.handover_requested or ownership is Ownership.HANDOVER_REQUESTED
