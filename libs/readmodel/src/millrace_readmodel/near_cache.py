"""Follows the generation of the read model that is served, and hands it out with a cache that is kept true.

See `cached_generation` for the rules of the cache.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import hiredis

from millrace_readmodel.cached_generation import Companion, Counters, Generation, GenerationMovedError, Kind
from millrace_readmodel.layout import GENERATION_KEY
from millrace_readmodel.tracking import Connection, Limits, Link, UnavailableError, connect

FIRST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 1.0
"""Seconds between attempts to follow the served generation, doubling."""


class NoGenerationError(UnavailableError):
    """No generation is served: the read model is empty and waits for a rebuild."""


class NearCache:
    """Follows the served generation and hands it out."""

    def __init__(self, url: str, kinds: Sequence[Kind[Any]], companion: Companion, *, limits: Limits) -> None:
        self.counters = Counters()
        self._url = url
        self._kinds = kinds
        self._companion = companion
        self._limits = limits
        self._link = Link(url, limits)
        self._current: Generation | None = None

    @property
    def current(self) -> Generation | None:
        """The served generation while its changes are reported, else None."""
        generation = self._current
        return generation if generation is not None and generation.live else None

    async def untracked(self) -> Generation:
        """The generation that is served at this moment, read past the cache.

        For when there is no current one, or it was found to have moved. Raises `NoGenerationError`, `UnavailableError`.
        """
        return self._generation(await self._pointer())

    def send(self, *command: bytes | str | int) -> "asyncio.Future[Any]":
        """A command of one's own. Raises `UnavailableError`; its reply may raise hiredis' errors."""
        return self._link.send(*command)

    async def check(self) -> None:
        """Raises `UnavailableError` unless Valkey/Redis answers, and the generation is tracked if one is served."""
        try:
            await self._pointer()
        except NoGenerationError:
            return
        if self.current is None:
            raise UnavailableError("the served generation is not tracked yet")

    async def run(self) -> None:
        """Connect, follow the pointer and listen, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._link.run())
            group.create_task(self._follow())

    async def _follow(self) -> None:
        pause = FIRST_PAUSE
        connection: Connection | None = None
        try:
            while True:
                try:
                    generation, successor = await self._begin()
                except UnavailableError as error:
                    if isinstance(error, NoGenerationError) and self._current is not None:
                        self._current.retire()
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
                    continue
                pause = FIRST_PAUSE
                predecessor, self._current = self._current, generation
                self.counters.generations += 1
                if predecessor is not None and connection is not None:
                    predecessor.retire()  # on purpose, before its connection goes
                    connection.close()
                connection = successor
                await self._accompany(generation)
        finally:
            if connection is not None:
                connection.close()

    async def _accompany(self, generation: Generation) -> None:
        """Survey what there is to survey, until the generation ends."""
        survey = asyncio.create_task(self._survey(generation))
        try:
            await generation.ended.wait()
        finally:
            survey.cancel()

    async def _survey(self, generation: Generation) -> None:
        for kind in (kind for kind in self._kinds if kind.filled or kind.listed):
            while not await self._surveyed(generation, kind):  # noqa: ASYNC110 # tried again, not waited for
                await asyncio.sleep(LONGEST_PAUSE)
        generation.surveyed = True

    async def _surveyed(self, generation: Generation, kind: Kind[Any]) -> bool:
        try:
            await generation.survey(kind)
        except (UnavailableError, GenerationMovedError):
            return False
        return True

    async def _begin(self) -> tuple[Generation, Connection]:
        """Track the served generation's keys and the pointer; then make sure that it still is the served one."""
        generation = self._generation(await self._pointer())
        connection = await connect(self._url, self._limits, generation)
        try:
            async with asyncio.timeout(self._limits.timeout):
                await connection.track((f"{generation.number}:", GENERATION_KEY))
            if await self._pointer() != generation.number or generation.ended.is_set():
                raise UnavailableError("the generation moved while it was being tracked")
            generation.live = True
            await self._companion.prepare(generation)
        except BaseException as error:
            generation.live = False  # closing on purpose is no loss
            connection.close()
            if isinstance(error, hiredis.HiredisError | TimeoutError | GenerationMovedError):
                raise UnavailableError(f"cannot track: {error}") from error
            raise
        return generation, connection

    async def _pointer(self) -> int:
        try:
            pointer = await self._link.send("GET", GENERATION_KEY)
        except hiredis.HiredisError as error:
            raise UnavailableError(str(error)) from error
        if pointer is None:
            raise NoGenerationError("no generation is served")
        return int(pointer)

    def _generation(self, number: int) -> Generation:
        return Generation(number, self._kinds, self._link.send, self.counters, self._companion)
