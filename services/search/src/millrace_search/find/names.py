"""Find rows by a typed provider name, and the partitions that contain them."""

from collections.abc import Iterable
from itertools import islice
from typing import Final

import numpy as np

from millrace_readmodel.cached_generation import CachedGeneration
from millrace_readmodel.layout import cell_at
from millrace_reference.names import PARTICLES, Run, TypedName, runs
from millrace_search.engine.area import Bools
from millrace_search.engine.sphere import Circle, squared_chord, squared_chords, unit_vectors
from millrace_search.index.key_spaces import Entries, SearchKeySpaces
from millrace_search.index.names import match_name
from millrace_search.index.vocabulary import Vocabulary
from millrace_search.schemas import invalid_parameter

MAX_WORDS: Final = 4_096
"""Largest number of vocabulary words that a query may match; reading that many takes about 10 ms."""
MAX_PARTITIONS: Final = 1_024
_ROUNDING_DEGREES: Final = 2e-5
"""Largest rounding error of a position stored as float32, in degrees (2 m)."""


async def match_names(
    generation: CachedGeneration, key_spaces: SearchKeySpaces, vocabulary: Vocabulary, name: TypedName, circle: Circle
) -> Entries:
    """Return the entries of the rows whose name matches a typed name.

    Words that are either a credential or a name count only if they are whole words of a matching name in the circle.
    Raises `Unprocessable` if too many words match, and the errors of `CachedGeneration.load`.
    """
    matches = await _match(generation, key_spaces, vocabulary, name)
    if name.uncertain and not _is_inside(matches, circle).any():
        return await _match(generation, key_spaces, vocabulary, name.without_uncertain())
    return matches


async def _match(
    generation: CachedGeneration, key_spaces: SearchKeySpaces, vocabulary: Vocabulary, name: TypedName
) -> Entries:
    parts = [runs(part, name.uncertain) for part in name.parts]
    words = _choose_words(vocabulary, {run for part in parts for run in part.values()})
    matches = await match_name(generation, key_spaces, parts, words)
    if matches is None:
        raise invalid_parameter("name", "Too many providers match.", "Give more letters of the name.")
    return matches


def _choose_words(vocabulary: Vocabulary, wanted: Iterable[Run]) -> dict[Run, list[str] | None]:
    """Return up to `MAX_WORDS` words in all that match each run; None for a run that matches too many words.

    A particle that begins too many words matches only itself.
    """
    found = {run: _find_words(vocabulary, run) for run in wanted}
    chosen: dict[Run, list[str] | None] = {}
    remaining = MAX_WORDS
    for run, words in sorted(found.items(), key=lambda item: len(item[1])):
        if len(words) <= remaining:
            chosen[run] = words
            remaining -= len(words)
        else:
            chosen[run] = [run.text] if run.text in PARTICLES else None
    return chosen


def _find_words(vocabulary: Vocabulary, run: Run) -> list[str]:
    """Return the text of the run, which may not be in the vocabulary yet, and its completions."""
    completions = islice(vocabulary.completions(run.text), MAX_WORDS + 1) if run.is_prefix else ()
    return list(dict.fromkeys((run.text, *completions)))


def _is_inside(entries: Entries, circle: Circle) -> Bools:
    chords = squared_chords(unit_vectors(entries["lat"], entries["lon"]), circle.lat, circle.lon)
    return np.asarray(chords <= squared_chord(circle.radius_mi))


def find_partitions(entries: Entries, circle: Circle) -> list[tuple[int, str]]:
    """Return the sorted partitions (specialty ordinal, H3 cell) that contain any of these rows within the circle.

    Raises `Unprocessable` for too many partitions.
    """
    inside = entries[_is_inside(entries, circle)]
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
