"""The transport of a feed: the interface that publishers and consumers use.

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
    """A record read from a stream. `sequence` is its position in the shard, `arrived` its arrival in Unix seconds."""

    stream: str
    shard_id: str
    sequence: str
    key: str
    body: bytes
    arrived: float


class OutgoingRecord(NamedTuple):
    """A record to write: partition key and body."""

    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard, the ids of its parents, and its range of hash keys: 128-bit numbers in decimal, both inclusive."""

    shard_id: str
    parents: tuple[str, ...] = ()
    starting_hash_key: str = "0"
    ending_hash_key: str = str(2**128 - 1)


@dataclass(frozen=True, slots=True)
class ShardIterator:
    """The position of the next read of a shard. `token` belongs to the transport and expires."""

    stream: str
    shard_id: str
    token: str


@dataclass(frozen=True, slots=True)
class Page:
    """The result of one read. `next` is None at the end of a closed shard; `behind_ms`: lag behind the newest one."""

    records: tuple[Record, ...]
    next: ShardIterator | None
    behind_ms: int


class Limits(NamedTuple):
    """Limits of one put request; sizes in bytes include the partition key."""

    records: int = 500
    request_bytes: int = 5 * 1024 * 1024
    record_bytes: int = 1024 * 1024


class Transport(Protocol):
    """Reads and writes streams. Safe for concurrent calls; every call ends within the client's timeouts.

    Any method may raise `Unavailable` (or its subclasses `Throttled` and `NotFound`). After a put that raised it, any
    of the records may have been written.
    """

    @property
    def limits(self) -> Limits: ...

    async def put_records(self, stream: str, records: Sequence[OutgoingRecord]) -> Sequence[str | None]:
        """Write records within `limits`; return for each None if it was acknowledged, else an error code."""
        ...

    async def list_shards(self, stream: str) -> Sequence[Shard]:
        """Return all shards that still hold records or accept new ones, including closed parents."""
        ...

    async def open_iterator(self, stream: str, shard_id: str, after: str) -> ShardIterator:
        """Return an iterator just after the sequence number `after`, or at `TRIM_HORIZON` or `LATEST`.

        Raises `UnknownPosition` if the sequence number doesn't belong to this shard.
        """
        ...

    async def get_records(self, iterator: ShardIterator, limit: int) -> Page:
        """Return the next records, at most `limit`. An empty page isn't the end of the shard, `next is None` is.

        Raises `ExpiredIterator` if the iterator is too old.
        """
        ...
