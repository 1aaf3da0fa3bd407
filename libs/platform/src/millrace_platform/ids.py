"""Generate UUIDv7 (RFC 9562, section 5.7) that increase within a process even if the clock stops or steps back."""

import os
from collections.abc import Callable
from typing import TypeAlias
from uuid import UUID

from millrace_feeds.clock import Clock, SystemClock

Ids: TypeAlias = Callable[[], UUID]
"""Generates a new UUID at each call; tests pass their own function."""
EventIds: TypeAlias = Callable[[], UUID | str]
"""Generates a new event id at each call: a UUID or a string."""

_COUNTER_BITS = 42
_COUNTER_LIMIT = 1 << _COUNTER_BITS
_SEED_LIMIT = _COUNTER_LIMIT >> 1
_RANDOM_BITS = 32
_CHUNK_SIZE = 1024
"""Number of random bytes read from the source at a time."""


class Entropy:
    """Returns random numbers from the operating system, read a kilobyte at a time. Not safe to use after a fork."""

    def __init__(self, source: Callable[[int], bytes] = os.urandom) -> None:
        self._source = source
        self._bytes = b""
        self._at = 0

    def __call__(self, bits: int) -> int:
        """Return a random integer below `2**bits`, like `secrets.randbits`."""
        size = -(-bits // 8)
        if self._at + size > len(self._bytes):
            self._bytes, self._at = self._source(max(_CHUNK_SIZE, size)), 0
        begin, self._at = self._at, self._at + size
        return int.from_bytes(self._bytes[begin : self._at]) >> (size * 8 - bits)


class Uuid7:
    """Generates strictly increasing UUIDv7; not thread-safe.

    The 48 bits of milliseconds are followed by a counter of 42 bits that starts at a random value each millisecond
    (RFC 9562, section 6.2, method 1), and 32 random bits. If the clock steps back, the last millisecond is reused.
    """

    def __init__(self, clock: Clock | None = None, random_bits: Callable[[int], int] | None = None) -> None:
        self._clock = clock or SystemClock()
        self._random_bits = random_bits or Entropy()
        self._millisecond = -1
        self._counter = 0

    def __call__(self) -> UUID:
        self._advance(int(self._clock.time() * 1000))
        counter = self._counter
        value = self._millisecond << 80
        value |= 0x7 << 76
        value |= (counter >> 30) << 64
        value |= 0b10 << 62
        value |= (counter & 0x3FFFFFFF) << _RANDOM_BITS
        return UUID(int=value | self._random_bits(_RANDOM_BITS))

    def _advance(self, now: int) -> None:
        if now > self._millisecond:
            self._millisecond = now
            # Start in the lower half, so that at least 2**41 more identifiers fit into the millisecond.
            self._counter = self._random_bits(_COUNTER_BITS) % _SEED_LIMIT
            return
        self._counter += 1
        if self._counter == _COUNTER_LIMIT:
            self._millisecond += 1
            self._counter = 0
