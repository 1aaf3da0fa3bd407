"""Find rows by the words of a provider name."""

from collections.abc import Sequence
from itertools import islice
from typing import Final

import numpy as np

from millrace_readmodel.cached_generation import CachedGeneration
from millrace_readmodel.layout import cell_at, name_key
from millrace_search.engine.sphere import Circle, squared_chord, squared_chords, unit_vectors
from millrace_search.index.key_spaces import Entries, SearchKeySpaces
from millrace_search.index.vocabulary import Vocabulary
from millrace_search.schemas import invalid_parameter

MAX_WORDS: Final = 4_096
"""Largest number of vocabulary words that a query may match; reading that many takes about 10 ms."""
MAX_PARTITIONS: Final = 1_024
_ROUNDING_DEGREES: Final = 2e-5
"""Largest rounding error of a position stored as float32, in degrees (2 m)."""


async def match_names(
    generation: CachedGeneration, key_spaces: SearchKeySpaces, vocabulary: Vocabulary, words: Sequence[str]
) -> Entries:
    """Return the entries, by id, of the rows whose name contains, for each of `words`, a word that begins with it.

    Raises `Unprocessable` if too many words match, and the errors of `CachedGeneration.load`.
    """
    keys = [_keys(generation.number, vocabulary, word) for word in words]
    if sum(map(len, keys)) > MAX_WORDS:
        raise invalid_parameter("name", "Too many providers match.", "Give more letters of the name.")
    found = await generation.load(key_spaces.names, (key for each in keys for key in each))
    entries = [_distinct(np.concatenate([found[key] for key in each])) for each in keys]
    common = entries[0]
    for other in entries[1:]:
        common = common[np.isin(common["id"], other["id"])]
    return common


def _keys(generation: int, vocabulary: Vocabulary, word: str) -> list[bytes]:
    """Return the Redis keys of the word, which may not be in the vocabulary yet, and of its completions."""
    completions = islice(vocabulary.completions(word), MAX_WORDS + 1)
    return [name_key(generation, each).encode() for each in dict.fromkeys((word, *completions))]


def _distinct(entries: Entries) -> Entries:
    _, firsts = np.unique(entries["id"], return_index=True)
    return entries[firsts]


def find_partitions(entries: Entries, circle: Circle) -> list[tuple[int, str]]:
    """Return the sorted partitions (specialty ordinal, H3 cell) that contain any of these rows within the circle.

    Raises `Unprocessable` for too many partitions.
    """
    chords = squared_chords(unit_vectors(entries["lat"], entries["lon"]), circle.lat, circle.lon)
    inside = entries[chords <= squared_chord(circle.radius_mi)]
    partitions = {
        (int(specialty), cell)
        for lat, lon, specialty in {(float(e["lat"]), float(e["lon"]), e["specialty"]) for e in inside}
        for cell in _cells(lat, lon)
    }
    if len(partitions) > MAX_PARTITIONS:
        raise invalid_parameter("name", "Too many providers match.", "Add a specialty, or make radius_mi smaller.")
    return sorted(partitions)


def _cells(lat: float, lon: float) -> set[str]:
    """Return the cells that may contain a position that float32 rounded to this one."""
    return {
        cell_at(lat + north, lon + east)
        for north in (-_ROUNDING_DEGREES, _ROUNDING_DEGREES)
        for east in (-_ROUNDING_DEGREES, _ROUNDING_DEGREES)
    }
