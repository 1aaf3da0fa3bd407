"""Simulate Kinesis in memory, including its faults, for tests and seeded simulations."""

import asyncio
import hashlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from millrace_feeds.clock import Clock, SystemClock
from millrace_feeds.errors import ExpiredIterator, NotFound, RecordTooLarge, Throttled, Unavailable, UnknownPosition
from millrace_feeds.faults import FaultInjector
from millrace_feeds.transport import LATEST, TRIM_HORIZON, Limits, OutgoingRecord, Page, Record, Shard, ShardIterator

_HASHES = 2**128
_MAX_REPEATED = 20
_ITERATOR_SECONDS = 300.0


@dataclass(slots=True)
class _MemoryShard:
    shard_id: str
    first: int
    last: int
    parents: tuple[str, ...] = ()
    closed: bool = False
    records: list[Record] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)


class MemoryTransport:
    """Implements `Transport` in memory, with methods to create, split, merge and delete streams.

    `latency` returns the delay of a request in seconds; reads and puts also delay the response. Iterators expire after
    five minutes, as those of Kinesis.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        faults: FaultInjector | None = None,
        latency: Callable[[], float] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._faults = faults
        self._latency = latency
        self._limits = limits or Limits()
        self._streams: dict[str, dict[str, _MemoryShard]] = {}
        self._sequence = 0

    @property
    def limits(self) -> Limits:
        return self._limits

    def create_stream(self, stream: str, shards: int = 1) -> None:
        """Create a stream with so many open shards unless it exists."""
        if stream not in self._streams:
            self._streams[stream] = {}
            for number in range(shards):
                self._open(stream, _HASHES * number // shards, _HASHES * (number + 1) // shards - 1)

    def delete_stream(self, stream: str) -> None:
        del self._streams[stream]

    def split(self, stream: str, shard_id: str) -> tuple[str, str]:
        """Close a shard, open two children in its place, and return their ids."""
        parent = self._close(stream, shard_id)
        middle = (parent.first + parent.last) // 2
        return (
            self._open(stream, parent.first, middle, (shard_id,)),
            self._open(stream, middle + 1, parent.last, (shard_id,)),
        )

    def merge(self, stream: str, shard_id: str, adjacent: str) -> str:
        """Close two adjacent shards, open one child in their place, and return its id."""
        one, other = self._close(stream, shard_id), self._close(stream, adjacent)
        first, last = min(one.first, other.first), max(one.last, other.last)
        return self._open(stream, first, last, (shard_id, adjacent))

    def all_shards(self, stream: str) -> list[Shard]:
        """Return open and closed shards in the order of their creation."""
        return [_to_shard(shard) for shard in self._shards(stream).values()]

    def open_shards(self, stream: str) -> list[Shard]:
        """Return the shards that accept new records, in the order of their hash keys."""
        shards = sorted((shard for shard in self._shards(stream).values() if not shard.closed), key=lambda s: s.first)
        return [_to_shard(shard) for shard in shards]

    def records(self, stream: str, shard_id: str) -> Sequence[Record]:
        """Return all records of a shard in order."""
        return tuple(self._shard(stream, shard_id).records)

    async def put_records(self, stream: str, records: Sequence[OutgoingRecord]) -> Sequence[str | None]:
        await self._simulate_latency()
        self._check_limits(records)
        faults = self._faults
        if faults is not None and faults.occurs(faults.rates.throttled):
            raise Throttled(f"{stream}: slow down")
        if faults is not None and faults.occurs(faults.rates.lost):
            raise Unavailable(f"{stream}: connection refused")
        outcomes = [self._put(stream, record) for record in records]
        await self._simulate_latency()
        if faults is not None and faults.occurs(faults.rates.ambiguous):
            raise Unavailable(f"{stream}: read timed out")
        return outcomes

    async def list_shards(self, stream: str) -> Sequence[Shard]:
        await self._simulate_latency()
        return self.all_shards(stream)

    async def open_iterator(self, stream: str, shard_id: str, after: str) -> ShardIterator:
        await self._simulate_latency()
        shard = self._shard(stream, shard_id)
        return self._iterator(shard, stream, _index_after(shard, after))

    async def get_records(self, iterator: ShardIterator, limit: int) -> Page:
        await self._simulate_latency()
        shard = self._shard(iterator.stream, iterator.shard_id)
        opened, _, index = iterator.token.partition(":")
        faults = self._faults
        if faults is not None:
            if faults.occurs(faults.rates.throttled):
                raise Throttled(f"{iterator.shard_id}: slow down")
            if faults.occurs(faults.rates.expired):
                raise ExpiredIterator(f"{iterator.shard_id}: iterator expired")
        if self._clock.monotonic() - float(opened) > _ITERATOR_SECONDS:
            raise ExpiredIterator(f"{iterator.shard_id}: iterator expired")
        page = self._page(shard, iterator.stream, self._rewind(int(index)), limit)
        await self._simulate_latency()
        return page

    async def _simulate_latency(self) -> None:
        if self._latency is not None:
            await asyncio.sleep(self._latency())

    def _check_limits(self, records: Sequence[OutgoingRecord]) -> None:
        sizes = [len(record.body) + len(record.key.encode()) for record in records]
        if max(sizes, default=0) > self._limits.record_bytes:
            raise RecordTooLarge(f"{max(sizes)} bytes are more than {self._limits.record_bytes}")
        if len(records) > self._limits.records or sum(sizes) > self._limits.request_bytes:
            raise RecordTooLarge(f"{len(records)} records of {sum(sizes)} bytes are more than one request takes")

    def _put(self, stream: str, record: OutgoingRecord) -> str | None:
        if self._faults is not None and self._faults.occurs(self._faults.rates.rejected):
            return "ProvisionedThroughputExceededException"
        hashed = int.from_bytes(hashlib.md5(record.key.encode(), usedforsecurity=False).digest())
        shards = self._shards(stream).values()
        shard = next(shard for shard in shards if not shard.closed and shard.first <= hashed <= shard.last)
        self._sequence += 1
        shard.sequences.append(self._sequence)
        shard.records.append(
            Record(stream, shard.shard_id, str(self._sequence), record.key, record.body, self._clock.time())
        )
        return None

    def _rewind(self, index: int) -> int:
        faults = self._faults
        if faults is None or not faults.occurs(faults.rates.repeated):
            return index
        return index - faults.rewind_distance(min(index, _MAX_REPEATED))

    def _page(self, shard: _MemoryShard, stream: str, index: int, limit: int) -> Page:
        records = tuple(shard.records[index : index + limit])
        following = index + len(records)
        behind = 0.0
        if following < len(shard.records):
            behind = max(0.0, self._clock.time() - shard.records[following].arrived)
        ended = shard.closed and following == len(shard.records)
        return Page(records, None if ended else self._iterator(shard, stream, following), int(behind * 1_000))

    def _iterator(self, shard: _MemoryShard, stream: str, index: int) -> ShardIterator:
        return ShardIterator(stream, shard.shard_id, f"{self._clock.monotonic()!r}:{index}")

    def _shards(self, stream: str) -> dict[str, _MemoryShard]:
        try:
            return self._streams[stream]
        except KeyError:
            raise NotFound(f"no stream {stream}") from None

    def _shard(self, stream: str, shard_id: str) -> _MemoryShard:
        try:
            return self._shards(stream)[shard_id]
        except KeyError:
            raise NotFound(f"no shard {stream}/{shard_id}") from None

    def _open(self, stream: str, first: int, last: int, parents: tuple[str, ...] = ()) -> str:
        shards = self._streams[stream]
        shard_id = f"shardId-{len(shards):012d}"
        shards[shard_id] = _MemoryShard(shard_id, first, last, parents)
        return shard_id

    def _close(self, stream: str, shard_id: str) -> _MemoryShard:
        shard = self._shard(stream, shard_id)
        shard.closed = True
        return shard


def _index_after(shard: _MemoryShard, after: str) -> int:
    if after == TRIM_HORIZON:
        return 0
    if after == LATEST:
        return len(shard.records)
    index = bisect_right(shard.sequences, int(after))
    if index == 0 or shard.sequences[index - 1] != int(after):
        raise UnknownPosition(f"{after} is no sequence number of {shard.shard_id}")
    return index


def _to_shard(shard: _MemoryShard) -> Shard:
    return Shard(shard.shard_id, shard.parents, str(shard.first), str(shard.last))
