"""What of the read model the near cache holds, and as what."""

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from millrace_readmodel.cached_generation import Kind
from millrace_readmodel.layout import NAME_ENTRY
from millrace_search.index.cards import RenderedCard, rendered

ENTRY_BYTES: Final = 300
"""Of the cache itself, and of key and value as objects."""
Entries: TypeAlias = npt.NDArray[np.void]
"""`layout.NAME_ENTRY`s of one word."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """The four kinds of strings, with their shares of memory (bytes)."""

    partitions: Kind[bytes]
    """As they lie in the read model: half of them have but a few rows, and are used together with others."""
    names: Kind[Entries]
    cards: Kind[RenderedCard]
    openings: Kind[bytes]
    """Beside the partitions: `layout.OPENINGS`, as they lie in the read model."""

    def all(self) -> tuple[Kind[Any], ...]:
        return self.partitions, self.names, self.cards, self.openings


def kinds(*, partitions: int, names: int, cards: int, openings: int) -> Kinds:
    """With bounds in bytes."""
    return Kinds(
        partitions=Kind(b"p:", partitions, lambda _, value: value or b"", _size, filled=True, listed=True),
        names=Kind(b"n:", names, _entries, lambda entries: ENTRY_BYTES + entries.nbytes),
        cards=Kind(b"c:", cards, rendered, lambda card: card.nbytes, filled=True),
        openings=Kind(b"o:", openings, lambda _, value: value or b"", _size, filled=True, listed=True),
    )


def _size(value: bytes) -> int:
    return ENTRY_BYTES + len(value)


def _entries(_key: bytes, value: bytes | None) -> Entries:
    return np.frombuffer(value or b"", dtype=NAME_ENTRY)
