"""Follow the served generation of the read model and provide it with a cache (rules: `cached_generation`)."""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any, Final

import hiredis

from millrace_readmodel.cached_generation import (
    CachedGeneration,
    Counters,
    GenerationObserver,
    GenerationReplacedError,
    KeySpace,
)
from millrace_readmodel.layout import GENERATION_KEY
from millrace_readmodel.tracking import Connection, Limits, ReconnectingConnection, UnavailableError, connect

FIRST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 1.0
"""Seconds between attempts to track the served generation; the pause doubles from the first to the longest."""


class NoGenerationError(UnavailableError):
    """No generation is served: the read model is empty until a rebuild has finished."""


class NearCache:
    """Tracks the served generation and replaces it after each switch."""

    def __init__(
        self,
        url: str,
        key_spaces: Sequence[KeySpace[Any]],
        observer: GenerationObserver,
        *,
        limits: Limits,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.counters = Counters()
        self._url = url
        self._tls = tls
        self._key_spaces = key_spaces
        self._observer = observer
        self._limits = limits
        self._link = ReconnectingConnection(url, limits, tls=tls)
        self._current: CachedGeneration | None = None

    @property
    def current(self) -> CachedGeneration | None:
        """The served generation while the server reports its changes, else None."""
        generation = self._current
        return generation if generation is not None and generation.is_tracked else None

    async def open_untracked(self) -> CachedGeneration:
        """Return the served generation without caching, as a fallback while `current` is None.

        Raises `NoGenerationError` and `UnavailableError`.
        """
        return self._create_generation(await self._read_pointer())

    def send(self, *command: bytes | str | int) -> "asyncio.Future[Any]":
        """Send a command; raise `UnavailableError` if disconnected. The reply may raise hiredis' errors."""
        return self._link.send(*command)

    async def wait_until_connected(self) -> None:
        """Return once Valkey/Redis is connected; raise `DisconnectedError` if it isn't within the limits' timeout."""
        await self._link.wait_until_connected()

    async def check(self) -> None:
        """Raise `UnavailableError` if Valkey/Redis doesn't respond or the served generation is not tracked."""
        try:
            await self._read_pointer()
        except NoGenerationError:
            return
        if self.current is None:
            raise UnavailableError("the served generation is not tracked yet")

    async def run(self) -> None:
        """Connect and track the served generation until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._link.run())
            group.create_task(self._follow())

    async def _follow(self) -> None:
        pause = FIRST_PAUSE
        connection: Connection | None = None
        try:
            while True:
                try:
                    generation, successor = await self._track_served()
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
                    predecessor.retire()  # first, so that closing its connection does not count as lost tracking
                    connection.close()
                connection = successor
                await self._preload_until_end(generation)
        finally:
            if connection is not None:
                connection.close()

    async def _preload_until_end(self, generation: CachedGeneration) -> None:
        """Preload the generation in the background; return when it ends."""
        preload = asyncio.create_task(self._preload_all(generation))
        try:
            await generation.ended.wait()
        finally:
            preload.cancel()

    async def _preload_all(self, generation: CachedGeneration) -> None:
        for key_space in (key_space for key_space in self._key_spaces if key_space.preloaded or key_space.enumerated):
            is_loaded = False
            while not is_loaded:
                try:
                    await generation.preload(key_space)
                    is_loaded = True
                except (UnavailableError, GenerationReplacedError):
                    await asyncio.sleep(LONGEST_PAUSE)
        generation.is_preloaded = True

    async def _track_served(self) -> tuple[CachedGeneration, Connection]:
        """Track the served generation's keys and the pointer, then check that it is still the served one."""
        generation = self._create_generation(await self._read_pointer())
        connection = await connect(self._url, self._limits, generation, tls=self._tls)
        try:
            async with asyncio.timeout(self._limits.timeout):
                await connection.track((f"{generation.number}:", GENERATION_KEY))
            if await self._read_pointer() != generation.number or generation.ended.is_set():
                raise UnavailableError("the generation was replaced while tracking started")
            generation.is_tracked = True
            await self._observer.prepare(generation)
        except BaseException as error:
            generation.is_tracked = False  # so that closing does not count as lost tracking
            connection.close()
            if isinstance(error, hiredis.HiredisError | TimeoutError | GenerationReplacedError):
                raise UnavailableError(f"cannot track: {error}") from error
            raise
        return generation, connection

    async def _read_pointer(self) -> int:
        try:
            pointer = await self._link.send("GET", GENERATION_KEY)
        except hiredis.HiredisError as error:
            raise UnavailableError(str(error)) from error
        if pointer is None:
            raise NoGenerationError("no generation is served")
        return int(pointer)

    def _create_generation(self, number: int) -> CachedGeneration:
        return CachedGeneration(number, self._key_spaces, self._link.send, self.counters, self._observer)
