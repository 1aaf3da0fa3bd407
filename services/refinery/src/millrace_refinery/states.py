"""Store the state of each key (subject of an entity): which versions were emitted, and which are held."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from millrace_refinery.ordering import KeyState


@dataclass(frozen=True, slots=True)
class DueKey:
    """A key with a held version, read from `shard`, that must be emitted at `due` (Unix seconds)."""

    subject: str
    due: float
    shard: str


class StateStore(Protocol):
    """Stores key states by subject. All methods may raise errors of the database and can then be retried."""

    async def load(self, subjects: Collection[str]) -> dict[str, KeyState]:
        """Return the last saved states; subjects without a state are absent."""

    async def save(self, states: Mapping[str, KeyState]) -> None:
        """Replace the states of these subjects, in any order; return once all are durable."""

    async def find_due(self, before: float, limit: int) -> Sequence[DueKey]:
        """Return up to `limit` keys with a held version due at `before` (Unix seconds) or earlier, the oldest first.

        May lag behind `save` for a moment and return a key without held versions: load its state to be sure.
        """

    async def check(self) -> None:
        """Raise an error if the store is unavailable."""


class MemoryStateStore:
    """Implements `StateStore` in memory, for tests."""

    def __init__(self) -> None:
        self._states: dict[str, KeyState] = {}

    async def load(self, subjects: Collection[str]) -> dict[str, KeyState]:
        await asyncio.sleep(0)
        return {subject: self._states[subject] for subject in subjects if subject in self._states}

    async def save(self, states: Mapping[str, KeyState]) -> None:
        await asyncio.sleep(0)
        self._states.update(states)

    async def find_due(self, before: float, limit: int) -> Sequence[DueKey]:
        waiting = [
            DueKey(subject, state.due, state.held[0].shard)
            for subject, state in self._states.items()
            if state.due is not None and state.due <= before
        ]
        return sorted(waiting, key=lambda each: each.due)[:limit]

    async def check(self) -> None:
        await asyncio.sleep(0)
