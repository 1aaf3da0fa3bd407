"""Leases: rows that each assign a shard to a worker and contain the shard's checkpoint.

The attributes are those of KCL 2.x, plus `checkpoint_owner` of KCL 3 for a graceful handover. Source:
amazon-kinesis-client, `Lease` and `DynamoDBLeaseSerializer`.
"""

from dataclasses import dataclass
from typing import Protocol

from millrace_feeds.transport import SHARD_END


@dataclass(frozen=True, slots=True)
class Lease:
    """One row of a lease table: which worker processes a shard, and how far the shard is processed.

    `counter` increases with every write, including the holder's heartbeats, and every write is conditional on the
    counter that was read. `checkpoint` is a sequence number, `TRIM_HORIZON`, `LATEST` or `SHARD_END`. During a
    handover `owner` is the next worker and `checkpoint_owner` the one that still works on the shard.
    """

    key: str
    owner: str | None = None
    counter: int = 0
    checkpoint: str = ""
    sub_sequence: int = 0
    owner_switches: int = 0
    parents: tuple[str, ...] = ()
    starting_hash_key: str = "0"
    ending_hash_key: str = str(2**128 - 1)
    checkpoint_owner: str | None = None

    @property
    def holder(self) -> str | None:
        """The worker that works on the shard and renews the lease; None if the lease is free."""
        return self.checkpoint_owner or self.owner

    @property
    def is_ended(self) -> bool:
        return self.checkpoint == SHARD_END


class LeaseStore(Protocol):
    """Stores the leases of one application on one stream. All methods may raise `Unavailable`; reads are consistent."""

    async def list(self) -> list[Lease]: ...

    async def get(self, key: str) -> Lease | None: ...

    async def create(self, lease: Lease) -> bool:
        """Create the lease's row and return True; return False if it exists already."""
        ...

    async def update(self, lease: Lease, expected_counter: int) -> bool:
        """Replace the row if its counter is `expected_counter`; return False if it isn't or the row doesn't exist."""
        ...

    async def delete(self, key: str, expected_counter: int) -> bool:
        """Delete the row if its counter is `expected_counter`; return False if it isn't or the row doesn't exist."""
        ...


class MemoryLeaseStore:
    """Stores leases in memory, for tests and for a single process."""

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}

    async def list(self) -> list[Lease]:
        return list(self._leases.values())

    async def get(self, key: str) -> Lease | None:
        return self._leases.get(key)

    async def create(self, lease: Lease) -> bool:
        return self._leases.setdefault(lease.key, lease) is lease

    async def update(self, lease: Lease, expected_counter: int) -> bool:
        if not self._matches(lease.key, expected_counter):
            return False
        self._leases[lease.key] = lease
        return True

    async def delete(self, key: str, expected_counter: int) -> bool:
        if not self._matches(key, expected_counter):
            return False
        del self._leases[key]
        return True

    def _matches(self, key: str, expected_counter: int) -> bool:
        row = self._leases.get(key)
        return row is not None and row.counter == expected_counter
