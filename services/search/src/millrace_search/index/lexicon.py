"""Vocabulary, plans and plan sets of a generation: loaded whole, then kept fresh in the background.

These are one key each, so that a change of a member invalidates the whole; they are read again in small steps, and no
sooner than `DUTY` times as long as the last reading took. What that leaves stale is harmless: a word that is not yet
known is still found when it is typed whole, and the number of a plan set never changes its meaning.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, Final

import hiredis
import msgspec

from millrace_readmodel import layout
from millrace_readmodel.cached_generation import Generation
from millrace_readmodel.tracking import UnavailableError
from millrace_search.index.plans import Plans, PlanSets
from millrace_search.index.vocabulary import Vocabulary

DUTY: Final = 20
"""A reading takes at most a twentieth of the time."""
SHORTEST_PAUSE: Final = 0.2
SCAN: Final = 1_000
SETS_AT_ONCE: Final = 2_000


class Lexicon:
    """Of one generation. Methods that read raise `UnavailableError`."""

    def __init__(self, generation: Generation) -> None:
        self.vocabulary = Vocabulary()
        self.plan_sets = PlanSets()
        self.plans = Plans(())
        self._generation = generation
        self._reading = asyncio.Lock()

    def refreshes(self) -> dict[bytes, Callable[[], Awaitable[None]]]:
        """What brings up to date what lies under each key."""
        return {
            layout.words_key(self._generation.number).encode(): self.refresh_words,
            layout.plan_sets_key(self._generation.number).encode(): self.refresh_plan_sets,
            layout.plans_key(self._generation.number).encode(): self.refresh_plans,
        }

    async def load(self) -> None:
        """Read everything for the first time."""
        for refresh in self.refreshes().values():
            await refresh()

    async def refresh_words(self) -> None:
        """Take in what was added to the vocabulary, and leave out what is gone."""
        async with self._reading:
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
        """Take in the plan sets behind the known ones."""
        key = layout.plan_sets_key(self._generation.number)
        async with self._reading:
            while True:
                start = len(self.plan_sets)
                sets = await self._ask("LRANGE", key, start, start + SETS_AT_ONCE - 1)
                self.plan_sets.extend(sets)
                if len(sets) < SETS_AT_ONCE:
                    return

    async def refresh_plans(self) -> None:
        """Take in all plans."""
        async with self._reading:
            fields = await self._ask("HGETALL", layout.plans_key(self._generation.number))
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
            await asyncio.sleep(0)  # others are being answered meanwhile

    async def _words(self) -> set[str]:
        words: set[str] = set()
        cursor = b"0"
        while True:
            cursor, found = await self._ask("SSCAN", layout.words_key(self._generation.number), cursor, "COUNT", SCAN)
            words.update(word.decode() for word in found)
            if cursor == b"0":
                return words

    async def _ask(self, *command: bytes | str | int) -> Any:
        try:
            return await self._generation.send(*command)
        except hiredis.HiredisError as error:
            raise UnavailableError(str(error)) from error


class Lexicons:
    """The lexicons of the generations in use."""

    def __init__(self) -> None:
        self._kept: dict[Generation, Lexicon] = {}
        self._passing: dict[int, asyncio.Task[Lexicon]] = {}
        self._stale: dict[bytes, Callable[[], Awaitable[None]]] = {}
        self._woken = asyncio.Event()

    async def of(self, generation: Generation) -> Lexicon:
        """The lexicon of a generation. Raises `UnavailableError`.

        While changes go unreported it is read anew; requests that need it at the same time share one reading.
        """
        kept = self._kept.get(generation)
        if kept is not None:
            return kept
        number = generation.number
        task = self._passing.get(number)
        if task is None:
            task = self._passing[number] = asyncio.create_task(self._read(generation))
            task.add_done_callback(lambda done: self._passed(number, done))
        return await asyncio.shield(task)

    async def prepare(self, generation: Generation) -> None:
        """Load the lexicon of a generation whose changes are being reported, and keep it for as long as they are."""
        lexicon = self._kept[generation] = Lexicon(generation)
        try:
            await lexicon.load()
        except BaseException:
            self._kept.pop(generation, None)
            raise

    def changed(self, generation: Generation, key: bytes | None) -> None:
        """Take note of a changed key of a generation; None: all of them, or they go unreported from now on."""
        if key is None:
            self._kept.pop(generation, None)
            return
        lexicon = self._kept.get(generation)
        if lexicon is None:
            return
        refresh = lexicon.refreshes().get(key)
        if refresh is not None:
            self._stale[key] = refresh
            self._woken.set()

    async def run(self) -> None:
        """Refresh what changed, until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            stale, self._stale = self._stale, {}
            started = time.monotonic()
            try:
                for key in list(stale):
                    await stale[key]()
                    del stale[key]
            except UnavailableError:
                self._stale = stale | self._stale
                self._woken.set()
            await asyncio.sleep(max(SHORTEST_PAUSE, DUTY * (time.monotonic() - started)))

    async def _read(self, generation: Generation) -> Lexicon:
        lexicon = Lexicon(generation)
        await lexicon.load()
        return lexicon

    def _passed(self, number: int, task: asyncio.Task[Lexicon]) -> None:
        del self._passing[number]
        if not task.cancelled():
            task.exception()  # those who wait have it; nobody may be left to
