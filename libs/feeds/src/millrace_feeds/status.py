"""Describe the progress of a consumer, for status pages."""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from millrace_feeds.transport import Record

_TIME = b'"time":"'
_REPLAY = b'"replay":true'
# The attributes precede the data (see `encode`), which may contain fields of the same names.
_DATA = b'"data":'


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """A shard that the worker processes. `position` is the checkpoint, `lag_ms` the age of the next record to read."""

    shard_id: str
    position: str
    lag_ms: int | None
    in_flight: int


@dataclass(frozen=True, slots=True)
class ConsumerStatus:
    """The status of one worker of an application.

    `rate` is in records/s over the last minute; freshness is the time from the source's commit to the handler's effect
    in ms, None without records. `dead_letters` counts those of the whole application, None before the first count.
    """

    application: str
    stream: str
    worker: str
    healthy: bool
    shards: tuple[ShardStatus, ...]
    handled: int
    parked: int
    rate: float
    dead_letters: int | None
    freshness_p50_ms: float | None
    freshness_p99_ms: float | None

    @property
    def lag_ms(self) -> int | None:
        """The largest lag of this worker's shards in ms; None if no shard was read yet."""
        return max((shard.lag_ms for shard in self.shards if shard.lag_ms is not None), default=None)


class Freshness:
    """Keeps the latest `size` durations, in seconds, from a source's commit to the handler's effect."""

    def __init__(self, size: int = 4_096) -> None:
        self._seconds: deque[float] = deque(maxlen=size)

    def add(self, seconds: Iterable[float]) -> None:
        self._seconds.extend(seconds)

    def percentile_ms(self, fraction: float) -> float | None:
        """Return a percentile in milliseconds (`fraction` 0.99: the 99th, nearest rank); None without values."""
        if not self._seconds:
            return None
        ordered = sorted(self._seconds)
        return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)] * 1_000


class Rate:
    """Measures events per second over a sliding window of `window` seconds."""

    def __init__(self, window: int = 60) -> None:
        self._window = window
        self._counts: deque[tuple[int, int]] = deque()

    def add(self, count: int, now: float) -> None:
        second = int(now)
        if self._counts and self._counts[-1][0] == second:
            count += self._counts.pop()[1]
        self._counts.append((second, count))
        self._trim(now)

    def per_second(self, now: float) -> float:
        self._trim(now)
        return sum(count for _, count in self._counts) / self._window

    def _trim(self, now: float) -> None:
        while self._counts and self._counts[0][0] <= now - self._window:
            self._counts.popleft()


def seconds_since_commit(records: Sequence[Record], now: float) -> list[float]:
    """Return the seconds since the commit of each record's event; omit replays and records that aren't envelopes."""
    seconds: list[float] = []
    for record in records:
        committed = commit_time(record.body)
        if committed is not None:
            seconds.append(max(0.0, now - committed))
    return seconds


def commit_time(body: bytes) -> float | None:
    """Return an encoded envelope's `time` in Unix seconds; None for a replay and for anything but an envelope."""
    end = body.find(_DATA)
    start = body.find(_TIME, 0, end) + len(_TIME)
    if start < len(_TIME) or body.find(_REPLAY, start, end) >= 0:
        return None
    try:
        return datetime.fromisoformat(body[start : body.find(b'"', start)].decode("ascii")).timestamp()
    except ValueError:
        return None
