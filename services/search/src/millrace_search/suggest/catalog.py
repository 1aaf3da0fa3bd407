"""Look up items by prefixes of the words in their names, allowing one typo per word."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, TypeVar

from millrace_search.index.vocabulary import Vocabulary

T = TypeVar("T")
EXACT: Final = 0
ONE_TYPO: Final = 1


class Catalog(Generic[T]):
    """A fixed list of items that can be found by prefixes of the words in their names."""

    def __init__(self, items: Iterable[tuple[T, Sequence[Sequence[str]]]]) -> None:
        """`items` are ordered by importance, each with the words of each of its names, without case and accents."""
        self._items: list[T] = []
        self._vocabulary = Vocabulary()
        self._holders: dict[str, set[int]] = defaultdict(set)
        self._firsts: list[frozenset[str]] = []
        for number, (item, names) in enumerate(items):
            self._items.append(item)
            self._firsts.append(frozenset(name[0] for name in names if name))
            for word in {word for name in names for word in name}:
                self._vocabulary.add(word)
                self._holders[word].add(number)

    def find(self, words: Sequence[str], limit: int) -> list[T]:
        """Return up to `limit` items whose names contain, for each of `words`, a word that begins with it.

        Fewer typos come first, then items with a name that begins with the first of `words`, then the listed order.
        """
        if not words:
            return []
        best: dict[int, int] | None = None
        for word in words:
            costs = self._costs(word)
            if best is None:
                best = costs
            else:
                best = {number: best[number] + costs[number] for number in best.keys() & costs.keys()}
        ranked = sorted((best or {}).items(), key=self._rank(words[0]))
        return [self._items[number] for number, _ in ranked[:limit]]

    def _rank(self, first: str) -> Callable[[tuple[int, int]], tuple[int, bool, int]]:
        def rank(found: tuple[int, int]) -> tuple[int, bool, int]:
            number, cost = found
            return cost, not any(each.startswith(first) for each in self._firsts[number]), number

        return rank

    def _costs(self, word: str) -> dict[int, int]:
        exact = {number for each in self._vocabulary.completions(word) for number in self._holders[each]}
        near = {number for each in set(self._vocabulary.fuzzy_completions(word)) for number in self._holders[each]}
        return dict.fromkeys(near, ONE_TYPO) | dict.fromkeys(exact, EXACT)
