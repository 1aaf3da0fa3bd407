"""What is remembered of each key between two of its changes."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from millrace_refinery.ordering import KeyState


@dataclass(frozen=True, slots=True)
class Due:
    """A key whose oldest held version, read from `shard`, must go on at `at` (Unix seconds)."""

    subject: str
    at: float
    shard: str


class StateStore(Protocol):
    """Key states by subject. All methods may raise the errors of the store, and may then be called again."""

    async def load(self, subjects: Collection[str]) -> dict[str, KeyState]:
        """The states as they were last saved; a subject that has none is absent."""

    async def save(self, states: Mapping[str, KeyState]) -> None:
        """Replace the states of these subjects; returns once all of them are durable, in no order among them."""

    async def due(self, before: float, limit: int) -> Sequence[Due]:
        """Up to `limit` keys that hold a version due at `before` (Unix seconds) or earlier, the oldest first.

        May lag behind `save` by moments, and may name a key that holds nothing any more: load it to be sure.
        """

    async def check(self) -> None:
        """Raises unless the store answers."""


class MemoryStateStore:
    """A store that lives as long as its process."""

    def __init__(self) -> None:
        self._states: dict[str, KeyState] = {}

    async def load(self, subjects: Collection[str]) -> dict[str, KeyState]:
        await asyncio.sleep(0)
        return {subject: self._states[subject] for subject in subjects if subject in self._states}

    async def save(self, states: Mapping[str, KeyState]) -> None:
        await asyncio.sleep(0)
        self._states.update(states)

    async def due(self, before: float, limit: int) -> Sequence[Due]:
        waiting = [
            Due(subject, state.due, state.held[0].shard)
            for subject, state in self._states.items()
            if state.due is not None and state.due <= before
        ]
        return sorted(waiting, key=lambda each: each.at)[:limit]

    async def check(self) -> None:
        await asyncio.sleep(0)
