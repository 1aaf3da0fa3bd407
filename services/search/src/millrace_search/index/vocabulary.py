"""Words that can be completed, also with one mistake in what was typed."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

SHORTEST_WITH_TYPO: Final = 4
"""Shorter words are near to too many others."""
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_END: Final = "\U0010ffff"


class Vocabulary:
    """Folded words in order, by their first character."""

    def __init__(self) -> None:
        self._buckets: dict[str, list[str]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, word: str) -> bool:
        return next(self.completions(word), None) == word

    def add(self, word: str) -> None:
        if word and word not in self:
            insort(self._buckets.setdefault(word[0], []), word)
            self._size += 1

    def discard(self, word: str) -> None:
        if word in self:
            bucket = self._buckets[word[0]]
            del bucket[bisect_left(bucket, word)]
            self._size -= 1

    def words(self) -> Iterator[str]:
        """In order within each first character."""
        for bucket in self._buckets.values():
            yield from bucket

    def fill(self, first: str, words: Iterable[str]) -> None:
        """All words that begin with the character `first`, of which there were none so far."""
        self._buckets[first] = sorted(words)
        self._size += len(self._buckets[first])

    def completions(self, prefix: str) -> Iterator[str]:
        """Words with this prefix, in order: the word itself first."""
        bucket = self._buckets.get(prefix[:1], [])
        return islice(bucket, bisect_left(bucket, prefix), bisect_left(bucket, prefix + _END))

    def count(self, prefix: str) -> int:
        """How many words have this prefix."""
        bucket = self._buckets.get(prefix[:1], [])
        return bisect_left(bucket, prefix + _END) - bisect_left(bucket, prefix)

    def near_completions(self, prefix: str) -> Iterator[str]:
        """Words of which a prefix is one slip away from `prefix` (a letter wrong, missing, too many, or two swapped).

        Damerau-Levenshtein distance 1. A word may come more than once; words with `prefix` itself may be among them.
        """
        if len(prefix) < SHORTEST_WITH_TYPO:
            return
        for slip in slips(prefix):
            yield from self.completions(slip)


def slips(word: str) -> Iterator[str]:
    """All texts at distance 1, likely ones first; some come twice."""
    splits = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    yield from (head + tail[1] + tail[0] + tail[2:] for head, tail in splits if len(tail) > 1)
    yield from (head + tail[1:] for head, tail in splits if tail)
    yield from (head + letter + tail[1:] for head, tail in splits if tail for letter in _ALPHABET)
    yield from (head + letter + tail for head, tail in splits for letter in _ALPHABET)
