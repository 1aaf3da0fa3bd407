"""Cache one generation of the read model, bounded by bytes and invalidated by the server's client tracking.

Rules, in the order in which they matter:

- A value is cached only while the server reports changes of its key, and only if none was reported during its fetch.
- A lost tracking connection empties the cache; until it is back, every read fetches its values.
- A reader uses one `CachedGeneration` from its first to its last key. Each fetch reads the generation pointer *after*
  its keys in the same command, so values of a generation that was replaced meanwhile are never used.
- The existing keys of a key space can be enumerated (`CachedGeneration.preload`); others are absent without a fetch.
- All misses of one event loop iteration are fetched in one command, and concurrent loads of a key share one fetch.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

import hiredis

from millrace_readmodel.layout import GENERATION_KEY
from millrace_readmodel.lru import LruCache
from millrace_readmodel.tracking import ChangedKeys, UnavailableError

V = TypeVar("V")

KEYS_PER_COMMAND: Final = 128
"""Most keys in one fetch command; decoding that many cards blocks the event loop for a millisecond or two."""
MAX_FETCHES: Final = 65_536
"""Largest number of concurrent fetches; further loads fail immediately with `UnavailableError`."""
MAX_LISTED_KEYS: Final = 1_000_000
"""Largest number of existing keys listed for a key space; a larger one is not enumerated."""
SCAN_COUNT: Final = 1_000
KEYS_PER_PRELOAD: Final = 32
PRELOAD_PAUSE: Final = 0.001
"""Seconds between two preload steps, which leave most of the event loop to requests."""
PRELOAD_SHARE: Final = 0.9
"""Share of a key space's capacity that preloading may fill."""


class GenerationReplacedError(Exception):
    """Another generation (copy of the read model) is served now: discard the values read so far and start again."""


@dataclass(frozen=True, slots=True)
class KeySpace(Generic[V]):
    """The string keys of a generation that share a two-byte prefix, with the rules for caching them.

    Keys are `<generation>:<prefix>…`. `decode` converts key and string (None for an absent key, whose value is cached
    like any other) and must not return None. `size` returns the bytes of a value, always the same for the same value;
    `capacity` bounds their sum. If `preloaded`, values are read before they are requested, as far as there is room;
    if `enumerated`, the existing keys are listed too.
    """

    prefix: bytes
    capacity: int
    decode: Callable[[bytes, bytes | None], V]
    size: Callable[[V], int]
    preloaded: bool = False
    enumerated: bool = False


@dataclass(slots=True)
class Counters:
    """Counts of cache events since the process started."""

    fetched: int = 0
    commands: int = 0
    invalidated: int = 0
    discarded: int = 0
    """Values not cached because their key changed during the fetch."""
    tracking_lost: int = 0
    generations: int = 0


class _PendingLoad:
    """A load that waits for fetches; its future completes when the last key has a value."""

    __slots__ = ("future", "missing", "values")

    def __init__(self, missing: int) -> None:
        self.future: asyncio.Future[dict[bytes, Any]] = asyncio.get_running_loop().create_future()
        self.missing = missing
        self.values: dict[bytes, Any] = {}

    def add(self, key: bytes, value: Any) -> None:
        self.values[key] = value
        self.missing -= 1
        if self.missing == 0 and not self.future.done():
            self.future.set_result(self.values)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(slots=True, eq=False)
class _Fetch:
    """The fetch of one key and the loads that wait for it."""

    key_space: KeySpace[Any]
    key: bytes
    loads: list[_PendingLoad] = field(default_factory=list)
    changed: bool = False

    def complete(self, value: Any) -> None:
        for load in self.loads:
            load.add(self.key, value)

    def fail(self, error: Exception) -> None:
        for load in self.loads:
            load.fail(error)


Send = Callable[..., "asyncio.Future[Any]"]


class GenerationObserver(Protocol):
    """Maintains data derived from keys of a generation that belong to no key space."""

    async def prepare(self, generation: "CachedGeneration") -> None:
        """Load the data before the generation is used; the caller retries later after `UnavailableError`."""

    def on_change(self, generation: "CachedGeneration", key: bytes | None) -> None:
        """Handle the change of a key outside all key spaces. None: any key may have changed; reporting has ended."""


class CachedGeneration:
    """Reads one generation of the read model through the cache, which the server's reports of changes invalidate.

    `is_tracked` states whether the server reports changes; otherwise nothing is cached.
    """

    def __init__(
        self,
        number: int,
        key_spaces: Sequence[KeySpace[Any]],
        send: Send,
        counters: Counters,
        observer: GenerationObserver,
    ) -> None:
        self.number = number
        self.send = send
        """Sends any other command; see `Connection.send`."""
        self.is_tracked = False
        self.ended = asyncio.Event()
        """Set when the pointer changed or tracking was lost."""
        self.is_preloaded = False
        """Whether preloading and enumerating has finished for all key spaces."""
        self._prefix = b"%d:" % number
        self._caches: dict[bytes, LruCache[bytes, Any]] = {
            key_space.prefix: LruCache(key_space.capacity, key_space.size) for key_space in key_spaces
        }
        self._existing: dict[bytes, set[bytes]] = {
            key_space.prefix: set() for key_space in key_spaces if key_space.enumerated
        }
        self._enumerated: set[bytes] = set()
        self._fetches: dict[bytes, _Fetch] = {}
        self._queue: list[_Fetch] = []
        self._counters = counters
        self._observer = observer

    def cache(self, key_space: KeySpace[V]) -> LruCache[bytes, V]:
        """Return the cache of a key space; its `get` is the cheapest way to read a cached value."""
        return self._caches[key_space.prefix]

    async def load(self, key_space: KeySpace[V], keys: Iterable[bytes]) -> dict[bytes, V]:
        """Return the values by key, cached or fetched; raise `GenerationReplacedError` or `UnavailableError`."""
        cache = self._caches[key_space.prefix]
        values: dict[bytes, V] = {}
        missing: list[bytes] = []
        for key in dict.fromkeys(keys):
            value = cache.get(key)
            if value is None and self._is_absent(key_space, key):
                value = key_space.decode(key, None)
                cache.put(key, value)
            if value is None:
                missing.append(key)
            else:
                values[key] = value
        if missing:
            load = _PendingLoad(len(missing))
            for key in missing:
                self._fetch_once(key_space, key).loads.append(load)
            values |= await load.future
        return values

    def _is_absent(self, key_space: KeySpace[Any], key: bytes) -> bool:
        return key_space.prefix in self._enumerated and key not in self._existing[key_space.prefix]

    async def preload(self, key_space: KeySpace[Any]) -> None:
        """Load the values of the key space's existing keys while there is room; list the keys if it is `enumerated`.

        Raises `UnavailableError` and `GenerationReplacedError`.
        """
        pattern = self._prefix + key_space.prefix + b"*"
        cursor = b"0"
        while True:
            try:
                cursor, keys = await self.send("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT)
            except hiredis.HiredisError as error:
                raise UnavailableError(str(error)) from error
            if key_space.enumerated:
                self._existing[key_space.prefix].update(keys)
            has_room = await self._preload_keys(key_space, keys)
            if cursor == b"0" or not (has_room or self._can_enumerate(key_space)):
                break
        # SCAN returns every key that exists throughout; a key created since was reported as changed.
        if cursor == b"0" and self._can_enumerate(key_space):
            self._enumerated.add(key_space.prefix)

    def _can_enumerate(self, key_space: KeySpace[Any]) -> bool:
        if not key_space.enumerated or self.ended.is_set():
            return False
        return len(self._existing[key_space.prefix]) <= MAX_LISTED_KEYS

    async def _preload_keys(self, key_space: KeySpace[Any], keys: list[bytes]) -> bool:
        """Load these keys; return False if the cache is full or the generation has ended."""
        cache = self._caches[key_space.prefix]
        for start in range(0, len(keys), KEYS_PER_PRELOAD):
            if self.ended.is_set() or cache.bytes > PRELOAD_SHARE * key_space.capacity:
                return False
            await self.load(key_space, keys[start : start + KEYS_PER_PRELOAD])
            await asyncio.sleep(PRELOAD_PAUSE)
        return True

    def evict(self, keys: Iterable[bytes]) -> None:
        """Remove these keys from the cache, so that the next load fetches them."""
        for key in keys:
            self._caches[key[len(self._prefix) :][:2]].pop(key)

    def on_invalidation(self, keys: ChangedKeys) -> None:
        if keys is None:
            self._clear()
            self.ended.set()
            return
        self._counters.invalidated += len(keys)
        for key in keys:
            if key == GENERATION_KEY.encode():
                self.ended.set()
            else:
                self._invalidate(key)

    def _invalidate(self, key: bytes) -> None:
        cache = self._caches.get(key[len(self._prefix) :][:2])
        if cache is None:
            self._observer.on_change(self, key)
            return
        cache.pop(key)
        enumerated = self._existing.get(key[len(self._prefix) :][:2])
        if enumerated is not None:
            enumerated.add(key)
        # A load that starts after the change must not share a fetch that began before it.
        fetch = self._fetches.pop(key, None)
        if fetch is not None:
            fetch.changed = True

    def on_disconnect(self) -> None:
        if self.is_tracked:
            self._counters.tracking_lost += 1
        self.retire()

    def retire(self) -> None:
        """Empty the cache and stop caching; call this when another generation is served."""
        self.is_tracked = False
        self._clear()
        self.ended.set()

    def _clear(self) -> None:
        for cache in self._caches.values():
            cache.clear()
        self._enumerated.clear()
        for keys in self._existing.values():
            keys.clear()
        for fetch in self._fetches.values():
            fetch.changed = True
        self._fetches.clear()
        self._observer.on_change(self, None)

    def _fetch_once(self, key_space: KeySpace[Any], key: bytes) -> _Fetch:
        fetch = self._fetches.get(key)
        if fetch is not None:
            return fetch
        if len(self._fetches) >= MAX_FETCHES:
            raise UnavailableError("too many concurrent fetches")
        fetch = self._fetches[key] = _Fetch(key_space, key)
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._send_queue)
        self._queue.append(fetch)
        return fetch

    def _send_queue(self) -> None:
        queue, self._queue = self._queue, []
        for start in range(0, len(queue), KEYS_PER_COMMAND):
            fetches = queue[start : start + KEYS_PER_COMMAND]
            try:
                # MGET reads its keys atomically and in order: a pointer that still names this generation proves
                # that the keys before it were read while it was served.
                reply = self.send("MGET", *[fetch.key for fetch in fetches], GENERATION_KEY)
            except UnavailableError as error:
                self._fail(fetches, error)
                continue
            self._counters.commands += 1
            self._counters.fetched += len(fetches)
            reply.add_done_callback(partial(self._receive, fetches))

    def _receive(self, fetches: Sequence[_Fetch], reply: "asyncio.Future[Any]") -> None:
        error = reply.exception()
        if error is not None:
            self._fail(fetches, error if isinstance(error, UnavailableError) else UnavailableError(str(error)))
            return
        *values, pointer = reply.result()
        if pointer != b"%d" % self.number:
            self._fail(fetches, GenerationReplacedError(f"generation {self.number} is no longer served"))
            return
        for fetch, value in zip(fetches, values, strict=True):
            self._complete(fetch, value)

    def _complete(self, fetch: _Fetch, raw: bytes | None) -> None:
        self._remove_fetch(fetch)
        try:
            value = fetch.key_space.decode(fetch.key, raw)
        except ValueError as error:  # fails only the loads that wait for this key
            fetch.fail(error)
            return
        if fetch.changed:
            self._counters.discarded += 1
        elif self.is_tracked:
            self._caches[fetch.key_space.prefix].put(fetch.key, value)
        fetch.complete(value)

    def _fail(self, fetches: Iterable[_Fetch], error: Exception) -> None:
        for fetch in fetches:
            self._remove_fetch(fetch)
            fetch.fail(error)

    def _remove_fetch(self, fetch: _Fetch) -> None:
        if self._fetches.get(fetch.key) is fetch:
            del self._fetches[fetch.key]
