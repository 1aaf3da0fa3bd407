"""One generation of the read model behind a bounded cache, kept true by the server's own client tracking.

Rules, in the order in which they matter:

- A value is stored only while changes of its key are being reported, and only if none was reported during its fetch.
- A lost tracking connection empties the cache; until it is back every value is fetched anew.
- A reader holds one `Generation` from its first to its last key. Each fetch reads the generation's pointer *behind* its
  keys in the same command, so values of a generation that was replaced meanwhile are never taken for good.
- Which keys of a kind exist can be learnt in whole (`Generation.survey`); what isn't among them needs no asking.
- All keys that miss within one turn of the event loop go out in one command, and a key in flight is fetched once.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

import hiredis

from millrace_readmodel.layout import GENERATION_KEY
from millrace_readmodel.lru import Lru
from millrace_readmodel.tracking import Invalidated, UnavailableError

V = TypeVar("V")

KEYS_PER_COMMAND: Final = 128
"""Decoding that many cards takes a millisecond or two: the longest the event loop is held at once."""
MOST_FLIGHTS: Final = 65_536
"""Keys in flight; beyond it a load fails at once."""
MOST_LISTED: Final = 1_000_000
"""Keys of a kind that are remembered to exist; of a kind with more, all are asked for."""
SCAN: Final = 1_000
FILLED_AT_ONCE: Final = 32
FILL_PAUSE: Final = 0.001
"""Seconds between; so filling leaves most of the event loop to others."""
FILL_SHARE: Final = 0.9
"""Of a kind's capacity that is filled ahead of demand."""


class GenerationMovedError(Exception):
    """Another generation is served now; what was read of this one can't be trusted. Start again with a fresh one."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[V]):
    """One kind of string below a generation.

    `prefix` is what its keys have behind the generation's `<number>:`, two bytes. `decode` makes the value from key and
    string (None when the key is absent; its value is cached like any other); it must not return None. `size` is in
    bytes and depends on nothing but the value. `capacity` bounds the sum of sizes. A `filled` kind is read
    ahead of demand as far as it has room; of a `listed` one it is learnt which keys exist, too.
    """

    prefix: bytes
    capacity: int
    decode: Callable[[bytes, bytes | None], V]
    size: Callable[[V], int]
    filled: bool = False
    listed: bool = False


@dataclass(slots=True)
class Counters:
    """What happened since the start."""

    fetched: int = 0
    commands: int = 0
    invalidated: int = 0
    discarded: int = 0
    """Values not stored because their key changed during the fetch."""
    tracking_lost: int = 0
    generations: int = 0


class _Wait:
    """One load: done when all its keys arrived."""

    __slots__ = ("future", "missing", "values")

    def __init__(self, missing: int) -> None:
        self.future: asyncio.Future[dict[bytes, Any]] = asyncio.get_running_loop().create_future()
        self.missing = missing
        self.values: dict[bytes, Any] = {}

    def arrived(self, key: bytes, value: Any) -> None:
        self.values[key] = value
        self.missing -= 1
        if self.missing == 0 and not self.future.done():
            self.future.set_result(self.values)

    def failed(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(slots=True, eq=False)
class _Flight:
    """One key on its way, and who waits for it."""

    kind: Kind[Any]
    key: bytes
    waits: list[_Wait] = field(default_factory=list)
    changed: bool = False

    def land(self, value: Any) -> None:
        for wait in self.waits:
            wait.arrived(self.key, value)

    def fail(self, error: Exception) -> None:
        for wait in self.waits:
            wait.failed(error)


Send = Callable[..., "asyncio.Future[Any]"]


class Companion(Protocol):
    """What else a reader keeps of a generation, beyond keys of some kind."""

    async def prepare(self, generation: "Generation") -> None:
        """Ready what is kept before the generation is handed out. `UnavailableError` has it tried again."""

    def changed(self, generation: "Generation", key: bytes | None) -> None:
        """This key of no kind changed; None: any may have, and changes are unreported from now on."""


class Generation:
    """One generation of the read model, read through the cache. Listens to its own tracking connection.

    `live` says whether changes are reported; without that nothing is stored.
    """

    def __init__(
        self,
        number: int,
        kinds: Sequence[Kind[Any]],
        send: Send,
        counters: Counters,
        companion: Companion,
    ) -> None:
        self.number = number
        self.send = send
        """A command of one's own; as `Connection.send`."""
        self.live = False
        self.ended = asyncio.Event()
        """Set when the pointer moved or tracking was lost."""
        self.surveyed = False
        """Whether all that is to be filled and listed is."""
        self._prefix = b"%d:" % number
        self._stores: dict[bytes, Lru[bytes, Any]] = {kind.prefix: Lru(kind.capacity, kind.size) for kind in kinds}
        self._listed: dict[bytes, set[bytes]] = {kind.prefix: set() for kind in kinds if kind.listed}
        self._complete: set[bytes] = set()
        self._flights: dict[bytes, _Flight] = {}
        self._queue: list[_Flight] = []
        self._counters = counters
        self._companion = companion

    def store(self, kind: Kind[V]) -> Lru[bytes, V]:
        """The cache of one kind; `get` on it is the way that costs nothing when a value is at hand."""
        return self._stores[kind.prefix]

    async def load(self, kind: Kind[V], keys: Iterable[bytes]) -> dict[bytes, V]:
        """Values of all these keys, from the cache or fetched. Raises `GenerationMovedError`, `UnavailableError`."""
        store = self._stores[kind.prefix]
        values: dict[bytes, V] = {}
        missing: list[bytes] = []
        for key in dict.fromkeys(keys):
            value = store.get(key)
            if value is None and self._is_absent(kind, key):
                value = kind.decode(key, None)
                store.put(key, value)
            if value is None:
                missing.append(key)
            else:
                values[key] = value
        return values | await self._fetch(kind, missing) if missing else values

    async def _fetch(self, kind: Kind[V], keys: list[bytes]) -> dict[bytes, V]:
        wait = _Wait(len(keys))
        for key in keys:
            self._flight(kind, key).waits.append(wait)
        return await wait.future

    def _is_absent(self, kind: Kind[Any], key: bytes) -> bool:
        return kind.prefix in self._complete and key not in self._listed[kind.prefix]

    async def survey(self, kind: Kind[Any]) -> None:
        """Learn which keys of this kind exist if it is to be listed, and fill the cache as far as there is room.

        Raises `UnavailableError`, `GenerationMovedError`.
        """
        pattern = self._prefix + kind.prefix + b"*"
        cursor = b"0"
        while True:
            try:
                cursor, keys = await self.send("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN)
            except hiredis.HiredisError as error:
                raise UnavailableError(str(error)) from error
            if kind.listed:
                self._listed[kind.prefix].update(keys)
            has_room = await self._fill(kind, keys)
            if cursor == b"0" or not (has_room or self._may_list(kind)):
                break
        # SCAN finds all that exist throughout; what came since has been reported as changed.
        if cursor == b"0" and self._may_list(kind):
            self._complete.add(kind.prefix)

    def _may_list(self, kind: Kind[Any]) -> bool:
        if not kind.listed or self.ended.is_set():
            return False
        return len(self._listed[kind.prefix]) <= MOST_LISTED

    async def _fill(self, kind: Kind[Any], keys: list[bytes]) -> bool:
        """Load these keys; False if there is no more room, or no use."""
        store = self._stores[kind.prefix]
        for start in range(0, len(keys), FILLED_AT_ONCE):
            if self.ended.is_set() or store.bytes > FILL_SHARE * kind.capacity:
                return False
            await self.load(kind, keys[start : start + FILLED_AT_ONCE])
            await asyncio.sleep(FILL_PAUSE)
        return True

    def forget(self, keys: Iterable[bytes]) -> None:
        """Have these keys fetched anew by whoever asks next."""
        for key in keys:
            self._stores[key[len(self._prefix) :][:2]].pop(key)

    def invalidated(self, keys: Invalidated) -> None:
        if keys is None:
            self._forget_all()
            self.ended.set()
            return
        self._counters.invalidated += len(keys)
        for key in keys:
            if key == GENERATION_KEY.encode():
                self.ended.set()
            else:
                self._invalidate(key)

    def _invalidate(self, key: bytes) -> None:
        store = self._stores.get(key[len(self._prefix) :][:2])
        if store is None:
            self._companion.changed(self, key)
            return
        store.pop(key)
        listed = self._listed.get(key[len(self._prefix) :][:2])
        if listed is not None:
            listed.add(key)
        # Who asks from now on must not be given the answer of a fetch that began before the change.
        flight = self._flights.pop(key, None)
        if flight is not None:
            flight.changed = True

    def lost(self) -> None:
        if self.live:
            self._counters.tracking_lost += 1
        self.retire()

    def retire(self) -> None:
        """Store nothing from now on, and forget everything."""
        self.live = False
        self._forget_all()
        self.ended.set()

    def _forget_all(self) -> None:
        for store in self._stores.values():
            store.clear()
        self._complete.clear()
        for keys in self._listed.values():
            keys.clear()
        for flight in self._flights.values():
            flight.changed = True
        self._flights.clear()
        self._companion.changed(self, None)

    def _flight(self, kind: Kind[Any], key: bytes) -> _Flight:
        flight = self._flights.get(key)
        if flight is not None:
            return flight
        if len(self._flights) >= MOST_FLIGHTS:
            raise UnavailableError("too many keys in flight")
        flight = self._flights[key] = _Flight(kind, key)
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._depart)
        self._queue.append(flight)
        return flight

    def _depart(self) -> None:
        queue, self._queue = self._queue, []
        for start in range(0, len(queue), KEYS_PER_COMMAND):
            flights = queue[start : start + KEYS_PER_COMMAND]
            try:
                # MGET runs in the order of its keys and at once: a pointer that still names this generation
                # proves that the keys before it were read while it was served.
                reply = self.send("MGET", *[flight.key for flight in flights], GENERATION_KEY)
            except UnavailableError as error:
                self._crash(flights, error)
                continue
            self._counters.commands += 1
            self._counters.fetched += len(flights)
            reply.add_done_callback(partial(self._arrive, flights))

    def _arrive(self, flights: Sequence[_Flight], reply: "asyncio.Future[Any]") -> None:
        error = reply.exception()
        if error is not None:
            self._crash(flights, UnavailableError(str(error)))
            return
        *values, pointer = reply.result()
        if pointer != b"%d" % self.number:
            self._crash(flights, GenerationMovedError(f"generation {self.number} is no longer served"))
            return
        for flight, value in zip(flights, values, strict=True):
            self._land(flight, value)

    def _land(self, flight: _Flight, raw: bytes | None) -> None:
        self._finish(flight)
        try:
            value = flight.kind.decode(flight.key, raw)
        except ValueError as error:  # what can't be read fails those who asked for it, not their neighbours
            flight.fail(error)
            return
        if flight.changed:
            self._counters.discarded += 1
        elif self.live:
            self._stores[flight.kind.prefix].put(flight.key, value)
        flight.land(value)

    def _crash(self, flights: Iterable[_Flight], error: Exception) -> None:
        for flight in flights:
            self._finish(flight)
            flight.fail(error)

    def _finish(self, flight: _Flight) -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
