"""Look up items by prefixes of the words in their names, allowing one typo per word."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from millrace_search.index.vocabulary import Vocabulary

T = TypeVar("T")


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
        typos = [self._count_typos(word) for word in words]

        def rank(number: int) -> tuple[int, bool, int]:
            is_first = any(each.startswith(words[0]) for each in self._firsts[number])
            return sum(each[number] for each in typos), not is_first, number

        found = set(typos[0]).intersection(*typos)
        return [self._items[number] for number in sorted(found, key=rank)[:limit]]

    def _count_typos(self, word: str) -> dict[int, int]:
        """Return the number of typos (0 or 1) by the number of each item that has a word with this prefix."""
        exact = {number for each in self._vocabulary.completions(word) for number in self._holders[each]}
        near = {number for each in set(self._vocabulary.fuzzy_completions(word)) for number in self._holders[each]}
        return dict.fromkeys(near, 1) | dict.fromkeys(exact, 0)
