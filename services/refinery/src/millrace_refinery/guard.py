"""Keeps the two ways a key's state is changed, a new record and the end of a wait, from running at once."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager


class KeyGuard:
    """Exclusive use of sets of keys within one event loop; bounded by what its callers hold."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._released = asyncio.Condition()

    def free(self, keys: Collection[str]) -> set[str]:
        """Those of the keys that no one uses now."""
        return set(keys) - self._taken

    @asynccontextmanager
    async def use(self, keys: Collection[str]) -> AsyncIterator[None]:
        """Wait until all keys are free, then hold them. Taken all at once, so two users never wait for each other."""
        wanted = frozenset(keys)
        async with self._released:
            await self._released.wait_for(lambda: self._taken.isdisjoint(wanted))
            self._taken |= wanted
        try:
            yield
        finally:
            self._taken -= wanted
            async with self._released:
                self._released.notify_all()
