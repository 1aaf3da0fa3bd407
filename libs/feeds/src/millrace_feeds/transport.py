"""What a feed's transport does; nothing above it knows which one it is.

A stream has shards; a key belongs to one open shard at a time, so the records of a key keep their order. A reshard
closes parents and opens children; a key's records in a child follow all of its records in the parents.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

TRIM_HORIZON = "TRIM_HORIZON"
LATEST = "LATEST"
SHARD_END = "SHARD_END"


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was read. `sequence` is the transport's position in the shard, `arrived` is unix seconds."""

    stream: str
    shard_id: str
    sequence: str
    key: str
    body: bytes
    arrived: float


class Outgoing(NamedTuple):
    """One record to be written: its partition key and its body."""

    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard and where it comes from. Hash keys are decimal strings of 128 bits, both inclusive."""

    shard_id: str
    parents: tuple[str, ...] = ()
    starting_hash_key: str = "0"
    ending_hash_key: str = str(2**128 - 1)


@dataclass(frozen=True, slots=True)
class ShardIterator:
    """Where the next read of a shard begins; `token` is the transport's own and ages."""

    stream: str
    shard_id: str
    token: str


@dataclass(frozen=True, slots=True)
class Page:
    """One read. `next` is None at the end of a closed shard; `behind_ms` is the age of the position against the tip."""

    records: tuple[Record, ...]
    next: ShardIterator | None
    behind_ms: int


class Limits(NamedTuple):
    """What one put request may hold."""

    records: int = 500
    request_bytes: int = 5 * 1024 * 1024
    record_bytes: int = 1024 * 1024


class Transport(Protocol):
    """Reads and writes streams. Safe for concurrent calls; every call ends within the client's timeouts.

    Any method may raise `Unavailable` (with `Throttled` and `NotFound` below it); of a put that raised it, any part
    may have been written.
    """

    @property
    def limits(self) -> Limits: ...

    async def put_records(self, stream: str, records: Sequence[Outgoing]) -> Sequence[str | None]:
        """Write up to `limits`; one entry per record: None where acknowledged, else the error's code."""
        ...

    async def list_shards(self, stream: str) -> Sequence[Shard]:
        """All shards that still hold records or take new ones, closed parents among them."""
        ...

    async def open_iterator(self, stream: str, shard_id: str, after: str) -> ShardIterator:
        """An iterator behind the sequence number `after`, or at `TRIM_HORIZON` or `LATEST`.

        Raises `UnknownPosition` for a sequence number that isn't of this shard.
        """
        ...

    async def get_records(self, iterator: ShardIterator, limit: int) -> Page:
        """The next records, at most `limit`; none is no end, only `next is None` is. Raises `ExpiredIterator`."""
        ...
