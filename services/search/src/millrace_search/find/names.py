"""Who carries a name: from the words of a query to rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np

from millrace_platform.errors import FieldError, Unprocessable
from millrace_readmodel.cached_generation import Generation
from millrace_readmodel.layout import cell_of, name_key
from millrace_search.engine.area import Ids
from millrace_search.engine.sphere import Circle, squared_chord, squared_chords, unit_vectors
from millrace_search.index.kinds import Entries, Kinds
from millrace_search.index.vocabulary import Vocabulary

MOST_WORDS: Final = 4_096
"""Words of the vocabulary that a query may stand for; reading that many takes some 10 ms."""
MOST_PARTITIONS: Final = 1_024
_NUDGE: Final = 2e-5
"""Degrees (2 m) that a position may be off by for being kept as float32."""


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """Rows whose name has a word for each word of the query. `entries` (`layout.NAME_ENTRY`) hold each id once."""

    entries: Entries

    @property
    def ids(self) -> Ids:
        """Sorted."""
        return self.entries["id"].copy()


async def named(generation: Generation, kinds: Kinds, vocabulary: Vocabulary, words: Sequence[str]) -> Named:
    """Raises `Unprocessable` for beginnings that too many words have, and what `Generation.load` raises."""
    keys = [_keys(generation.number, vocabulary, word) for word in words]
    if sum(map(len, keys)) > MOST_WORDS:
        raise _too_common("Give more letters of the name.")
    found = await generation.load(kinds.names, (key for each in keys for key in each))
    entries = [_once(np.concatenate([found[key] for key in each])) for each in keys]
    common = entries[0]
    for other in entries[1:]:
        common = common[np.isin(common["id"], other["id"])]
    return Named(common)


def _keys(generation: int, vocabulary: Vocabulary, word: str) -> list[bytes]:
    """Of the word itself, which the vocabulary may not know yet, and of all that begin with it."""
    completions = islice(vocabulary.completions(word), MOST_WORDS + 1)
    return [name_key(generation, each).encode() for each in dict.fromkeys((word, *completions))]


def _once(entries: Entries) -> Entries:
    _, firsts = np.unique(entries["id"], return_index=True)
    return entries[firsts]


def partitions(found: Named, circle: Circle) -> list[tuple[int, str]]:
    """(specialty ordinal, cell) of all partitions that hold one of these inside the circle, sorted.

    Raises `Unprocessable` where that are too many.
    """
    entries = found.entries
    chords = squared_chords(unit_vectors(entries["lat"], entries["lon"]), circle.lat, circle.lon)
    inside = entries[chords <= squared_chord(circle.radius_mi)]
    places = {
        (int(specialty), cell)
        for lat, lon, specialty in {(float(e["lat"]), float(e["lon"]), e["specialty"]) for e in inside}
        for cell in _cells(lat, lon)
    }
    if len(places) > MOST_PARTITIONS:
        raise _too_common("Add a specialty, or make radius_mi smaller.")
    return sorted(places)


def _cells(lat: float, lon: float) -> set[str]:
    """The cells in which a position may lie that was rounded to this one."""
    return {cell_of(lat + north, lon + east) for north in (-_NUDGE, _NUDGE) for east in (-_NUDGE, _NUDGE)}


def _too_common(remedy: str) -> Unprocessable:
    return Unprocessable(errors=[FieldError(field="name", detail="Too many providers match.", remedy=remedy)])
