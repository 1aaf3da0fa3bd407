"""Find the rows whose name matches a typed name, in the name entries of the read model."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np

from millrace_readmodel.cached_generation import CachedGeneration
from millrace_readmodel.layout import NAME_ENTRY, name_key
from millrace_reference.names import Run
from millrace_search.index.key_spaces import Entries, SearchKeySpaces

RunsOfPart: TypeAlias = Mapping[tuple[int, int], Run]
"""The runs of a part of a typed name, by start and end (`reference.names.runs`)."""
_NOTHING: Final[Entries] = np.empty(0, dtype=NAME_ENTRY)


async def match_name(
    generation: CachedGeneration,
    key_spaces: SearchKeySpaces,
    parts: Iterable[RunsOfPart],
    words_by_run: Mapping[Run, Sequence[str] | None],
) -> Entries | None:
    """Return the distinct entries of the rows whose name matches each part; None if all rows match.

    `words_by_run` contains the words of names that match a run, None for a run that matches too many: it matches all
    rows. Entries are ordered by the words of the last run. Raises the errors of `CachedGeneration.load`.
    """
    keys = {
        run: [name_key(generation.number, word).encode() for word in words]
        for run, words in words_by_run.items()
        if words is not None
    }
    loaded = await generation.load(key_spaces.names, (key for each in keys.values() for key in each))
    found = {run: _join(loaded[key] for key in keys[run]) if run in keys else None for run in words_by_run}
    matches: Entries | None = None
    for part in parts:
        matches = _intersect(matches, _match_part({span: found[run] for span, run in part.items()}))
    return matches


def _match_part(found: Mapping[tuple[int, int], Entries | None]) -> Entries | None:
    """Return the entries that match consecutive runs from the first word to the last; None for all."""
    reached: dict[int, Entries | None] = {0: None}
    for last in range(1, max((end for _, end in found), default=0) + 1):
        # the shortest run first, so that names with the words as they were typed come first
        spans = sorted(((start, end) for start, end in found if end == last), reverse=True)
        reached[last] = _unite([_intersect(reached[start], found[start, end]) for start, end in spans])
    return reached[max(reached)]


def _intersect(some: Entries | None, others: Entries | None) -> Entries | None:
    """Return the entries of both, in the order of `others`; None stands for all entries."""
    if some is None or others is None:
        return some if others is None else others
    return others[np.isin(others["id"], some["id"])]


def _unite(options: Sequence[Entries | None]) -> Entries | None:
    known = [each for each in options if each is not None]
    return _join(known) if len(known) == len(options) else None


def _join(groups: Iterable[Entries]) -> Entries:
    """Concatenate entries and leave out those of rows that came before."""
    joined = np.concatenate([_NOTHING, *groups])
    _, firsts = np.unique(joined["id"], return_index=True)
    return joined[np.sort(firsts)]
