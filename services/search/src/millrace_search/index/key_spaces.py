"""Key spaces of the read model that the near cache stores, with their decoders."""

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from millrace_readmodel.cached_generation import KeySpace
from millrace_readmodel.layout import NAME_ENTRY
from millrace_search.index.cards import RenderedCard, render_card

ENTRY_BYTES: Final = 300
"""Estimated bytes of a cache entry in addition to its content."""
Entries: TypeAlias = npt.NDArray[np.void]
"""Array of the `layout.NAME_ENTRY`s of one word."""


@dataclass(frozen=True, slots=True)
class SearchKeySpaces:
    """The four key spaces of the read model that the search service caches."""

    partitions: KeySpace[bytes]
    """Undecoded rows, because half of the partitions have only a few rows and are decoded together with others."""
    names: KeySpace[Entries]
    cards: KeySpace[RenderedCard]
    openings: KeySpace[bytes]
    """Undecoded entries of the partitions (`layout.OPENINGS`)."""

    def all(self) -> tuple[KeySpace[Any], ...]:
        return self.partitions, self.names, self.cards, self.openings


def create_key_spaces(*, partitions: int, names: int, cards: int, openings: int) -> SearchKeySpaces:
    """Create the key spaces with the given capacities in bytes."""
    return SearchKeySpaces(
        partitions=KeySpace(b"p:", partitions, lambda _, value: value or b"", _size, preloaded=True, enumerated=True),
        names=KeySpace(b"n:", names, _entries, lambda entries: ENTRY_BYTES + entries.nbytes),
        cards=KeySpace(b"c:", cards, render_card, lambda card: card.nbytes, preloaded=True),
        openings=KeySpace(b"o:", openings, lambda _, value: value or b"", _size, preloaded=True, enumerated=True),
    )


def _size(value: bytes) -> int:
    return ENTRY_BYTES + len(value)


def _entries(_key: bytes, value: bytes | None) -> Entries:
    return np.frombuffer(value or b"", dtype=NAME_ENTRY)
