"""Lock keys (subjects of entities), so that the consumer and the sweep never change a key's state at the same time."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager


class KeyLocks:
    """Locks sets of keys within one event loop."""

    def __init__(self) -> None:
        self._locked: set[str] = set()
        self._released = asyncio.Condition()

    def unlocked(self, keys: Collection[str]) -> set[str]:
        """Return those of the keys that aren't locked now."""
        return set(keys) - self._locked

    @asynccontextmanager
    async def lock(self, keys: Collection[str]) -> AsyncIterator[None]:
        """Lock all keys for a block; wait until all are unlocked and lock them at once, which avoids deadlocks."""
        wanted = frozenset(keys)
        async with self._released:
            await self._released.wait_for(lambda: self._locked.isdisjoint(wanted))
            self._locked |= wanted
        try:
            yield
        finally:
            self._locked -= wanted
            async with self._released:
                self._released.notify_all()
