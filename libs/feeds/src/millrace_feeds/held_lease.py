"""A lease in a worker's hand: heartbeats, checkpoints, letting go."""

import asyncio
from collections.abc import Callable

from millrace_feeds.clock import Clock
from millrace_feeds.errors import FeedError
from millrace_feeds.lease import Lease, LeaseStore
from millrace_feeds.lease_rules import Standing, beaten, ended, released, standing


class LeaseLost(FeedError):  # noqa: N818 # as its siblings in errors.py
    """Another worker holds the lease, or its row is gone."""


class HeldLease:
    """Writes for the holder of one lease, one at a time. Its methods may raise `LeaseLost` and `Unavailable`."""

    def __init__(self, lease: Lease, *, store: LeaseStore, worker: str, clock: Clock, failover: float) -> None:
        self.lease = lease
        self.asked = lease.checkpoint_owner is not None
        self._store = store
        self._worker = worker
        self._clock = clock
        self._failover = failover
        self._beaten_at = clock.monotonic()
        self._unsure = False
        self._writing = asyncio.Lock()

    @property
    def silence(self) -> float:
        """Seconds since the last heartbeat that is known to have landed."""
        return self._clock.monotonic() - self._beaten_at

    @property
    def expired(self) -> bool:
        """Whether others may regard the lease as free by now."""
        return self.silence > self._failover

    async def beat(self, checkpoint: str) -> None:
        """Renew, and move the checkpoint. Sets `asked` where another worker wants the lease."""
        await self._write(lambda lease: beaten(lease, checkpoint))

    async def release(self, checkpoint: str) -> None:
        await self._write(lambda lease: released(lease, checkpoint))

    async def end(self) -> None:
        """Every record of the closed shard has had its effect: its children may start."""
        await self._write(ended)

    async def _write(self, change: Callable[[Lease], Lease]) -> None:
        async with self._writing:
            # A refusal for a handover request, or for a write of one's own that timed out, is tried once more.
            for _ in range(3):
                if await self._update(change(self.lease)):
                    return
                await self._look_again()
            raise LeaseLost(f"{self.lease.key}: others keep writing it")

    async def _update(self, row: Lease) -> bool:
        started = self._clock.monotonic()
        try:
            landed = await self._store.update(row, self.lease.counter)
        except BaseException:  # whatever cut the write short, it may have landed
            self._unsure = True
            raise
        if landed:
            self.lease, self._beaten_at, self._unsure = row, started, False
        return landed

    async def _look_again(self) -> None:
        row = await self._store.get(self.lease.key)
        found = standing(self.lease, row, self._worker, unsure=self._unsure)
        if row is None or found is Standing.LOST:
            raise LeaseLost(f"{self.lease.key}: held by {row.holder if row else 'no one, its row is gone'}")
        self.lease = row
        self._unsure = False
        self.asked = self.asked or found is Standing.ASKED
