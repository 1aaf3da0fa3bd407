"""Find the words of a vocabulary that begin with a prefix, allowing one typo."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

MIN_TYPO_LENGTH: Final = 4
"""Shortest prefix in which a typo is allowed; shorter ones are similar to too many words."""
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_END: Final = "\U0010ffff"


class Vocabulary:
    """A set of words (without case and accents) that can be searched by prefix."""

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
        """Yield all words, grouped by first character in no order, sorted within each group."""
        for bucket in self._buckets.values():
            yield from bucket

    def fill(self, first: str, words: Iterable[str]) -> None:
        """Set all words that begin with the character `first`; there must be none yet."""
        self._buckets[first] = sorted(words)
        self._size += len(self._buckets[first])

    def completions(self, prefix: str) -> Iterator[str]:
        """Yield the words with this prefix in order; the prefix itself comes first if it is a word."""
        bucket = self._buckets.get(prefix[:1], [])
        return islice(bucket, bisect_left(bucket, prefix), bisect_left(bucket, prefix + _END))

    def fuzzy_completions(self, prefix: str) -> Iterator[str]:
        """Yield words with a prefix at Damerau-Levenshtein distance 1 from `prefix`.

        That is one wrong, missing, extra or swapped letter. May repeat words and include words with `prefix` itself.
        """
        if len(prefix) < MIN_TYPO_LENGTH:
            return
        for variant in one_typo_variants(prefix):
            yield from self.completions(variant)


def one_typo_variants(word: str) -> Iterator[str]:
    """Yield all texts that differ from `word` by one typo, the likelier kinds of typos first, with repetitions."""
    splits = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    yield from (head + tail[1] + tail[0] + tail[2:] for head, tail in splits if len(tail) > 1)
    yield from (head + tail[1:] for head, tail in splits if tail)
    yield from (head + letter + tail[1:] for head, tail in splits if tail for letter in _ALPHABET)
    yield from (head + letter + tail for head, tail in splits for letter in _ALPHABET)
