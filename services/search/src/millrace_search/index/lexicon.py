"""Load vocabulary, plans and plan sets of a generation completely and refresh them in the background.

Each is one key, so a change of any member invalidates all of it. Refreshes run in small steps, separated by
`READ_INTERVAL_FACTOR` times the duration of the last one. Stale data is harmless: a new word is still found if it is
typed completely, and the number of a plan set never changes its meaning.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, Final

import hiredis
import msgspec

from millrace_readmodel import layout
from millrace_readmodel.cached_generation import CachedGeneration
from millrace_readmodel.tracking import UnavailableError
from millrace_search.index.plans import Plans, PlanSets
from millrace_search.index.vocabulary import Vocabulary

READ_INTERVAL_FACTOR: Final = 20
"""Refreshes take at most a twentieth of the time."""
MIN_PAUSE: Final = 0.2
SCAN_COUNT: Final = 1_000
SETS_PER_READ: Final = 2_000


class Lexicon:
    """Words of names, plan sets and plans of one generation. Methods that read raise `UnavailableError`."""

    def __init__(self, generation: CachedGeneration) -> None:
        self.vocabulary = Vocabulary()
        self.plan_sets = PlanSets()
        self.plans = Plans(())
        self._generation = generation
        self._lock = asyncio.Lock()

    def refreshes(self) -> dict[bytes, Callable[[], Awaitable[None]]]:
        """Return the method that refreshes the data of each key, by key."""
        return {
            layout.words_key(self._generation.number).encode(): self.refresh_words,
            layout.plan_sets_key(self._generation.number).encode(): self.refresh_plan_sets,
            layout.plans_key(self._generation.number).encode(): self.refresh_plans,
        }

    async def load(self) -> None:
        """Read vocabulary, plan sets and plans for the first time."""
        for refresh in self.refreshes().values():
            await refresh()

    async def refresh_words(self) -> None:
        """Add new words to the vocabulary and remove deleted ones."""
        async with self._lock:
            current = await self._words()
            if not len(self.vocabulary):
                await self._fill(current)
                return
            known = set(self.vocabulary.words())
            for word in current - known:
                self.vocabulary.add(word)
            for word in known - current:
                self.vocabulary.discard(word)

    async def refresh_plan_sets(self) -> None:
        """Read the plan sets added since the last refresh."""
        key = layout.plan_sets_key(self._generation.number)
        async with self._lock:
            while True:
                start = len(self.plan_sets)
                sets = await self._send("LRANGE", key, start, start + SETS_PER_READ - 1)
                self.plan_sets.extend(sets)
                if len(sets) < SETS_PER_READ:
                    return

    async def refresh_plans(self) -> None:
        """Replace all insurance plans by those of the read model."""
        async with self._lock:
            fields = await self._send("HGETALL", layout.plans_key(self._generation.number))
        try:
            self.plans = Plans(zip(fields[::2], fields[1::2], strict=True))
        except msgspec.DecodeError as error:
            raise UnavailableError(f"a plan can't be read: {error}") from error

    async def _fill(self, words: set[str]) -> None:
        buckets: dict[str, list[str]] = defaultdict(list)
        for word in words:
            buckets[word[:1]].append(word)
        for first, bucket in buckets.items():
            self.vocabulary.fill(first, bucket)
            await asyncio.sleep(0)  # lets other requests run

    async def _words(self) -> set[str]:
        words: set[str] = set()
        cursor = b"0"
        while True:
            cursor, found = await self._send(
                "SSCAN", layout.words_key(self._generation.number), cursor, "COUNT", SCAN_COUNT
            )
            words.update(word.decode() for word in found)
            if cursor == b"0":
                return words

    async def _send(self, *command: bytes | str | int) -> Any:
        try:
            return await self._generation.send(*command)
        except hiredis.HiredisError as error:
            raise UnavailableError(str(error)) from error


class Lexicons:
    """Loads a `Lexicon` for each generation of the read model in use, and refreshes it."""

    def __init__(self) -> None:
        self._lexicons: dict[CachedGeneration, Lexicon] = {}
        self._loading: dict[int, asyncio.Task[Lexicon]] = {}
        self._stale: dict[bytes, Callable[[], Awaitable[None]]] = {}
        self._changed = asyncio.Event()

    async def get(self, generation: CachedGeneration) -> Lexicon:
        """Return the cached lexicon of a generation; without one, load it. Concurrent calls share one load.

        Raises `UnavailableError`.
        """
        lexicon = self._lexicons.get(generation)
        if lexicon is not None:
            return lexicon
        number = generation.number
        task = self._loading.get(number)
        if task is None:
            task = self._loading[number] = asyncio.create_task(self._load(generation))
            task.add_done_callback(lambda done: self._finish_load(number, done))
        return await asyncio.shield(task)

    async def prepare(self, generation: CachedGeneration) -> None:
        """Load the lexicon of a generation whose changes the server reports, and cache it until these reports end."""
        lexicon = self._lexicons[generation] = Lexicon(generation)
        try:
            await lexicon.load()
        except BaseException:
            self._lexicons.pop(generation, None)
            raise

    def on_change(self, generation: CachedGeneration, key: bytes | None) -> None:
        """Schedule the refresh of a changed key; for None (changes are no longer reported) discard the lexicon."""
        if key is None:
            self._lexicons.pop(generation, None)
            return
        lexicon = self._lexicons.get(generation)
        if lexicon is None:
            return
        refresh = lexicon.refreshes().get(key)
        if refresh is not None:
            self._stale[key] = refresh
            self._changed.set()

    async def run(self) -> None:
        """Refresh changed keys until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            stale, self._stale = self._stale, {}
            started = time.monotonic()
            try:
                for key in list(stale):
                    await stale[key]()
                    del stale[key]
            except UnavailableError:
                self._stale = stale | self._stale
                self._changed.set()
            await asyncio.sleep(max(MIN_PAUSE, READ_INTERVAL_FACTOR * (time.monotonic() - started)))

    async def _load(self, generation: CachedGeneration) -> Lexicon:
        lexicon = Lexicon(generation)
        await lexicon.load()
        return lexicon

    def _finish_load(self, number: int, task: asyncio.Task[Lexicon]) -> None:
        del self._loading[number]
        if not task.cancelled():
            task.exception()  # marks it as retrieved: all waiters may have been cancelled
