"""LRU cache of the near cache, bounded by bytes.

Unlike `cachetools.LRUCache` it counts hits and evictions, and ignores a value larger than its capacity instead of
raising an error; a hit takes about 0.2 instead of 0.3 µs.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """Evicts the least recently used values when the sum of their sizes (bytes, from `size`) exceeds the capacity.

    A single value larger than the capacity is not cached.
    """

    __slots__ = ("_entries", "_size", "bytes", "capacity", "evictions", "hits")

    def __init__(self, capacity: int, size: Callable[[V], int]) -> None:
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._size = size
        self.capacity = capacity
        self.bytes = 0
        self.hits = 0
        self.evictions = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
            self.hits += 1
        return value

    def put(self, key: K, value: V) -> None:
        self.pop(key)
        size = self._size(value)
        if size > self.capacity:
            return
        self._entries[key] = value
        self.bytes += size
        while self.bytes > self.capacity:
            _, evicted = self._entries.popitem(last=False)
            self.bytes -= self._size(evicted)
            self.evictions += 1

    def pop(self, key: K) -> None:
        value = self._entries.pop(key, None)
        if value is not None:
            self.bytes -= self._size(value)

    def clear(self) -> None:
        self._entries.clear()
        self.bytes = 0
