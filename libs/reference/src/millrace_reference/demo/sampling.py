"""Choose items at random by weight, in logarithmic time; the same seed gives the same choices."""

from bisect import bisect
from collections.abc import Iterable, Sequence
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")


class WeightedChoice(Generic[T]):
    """Draws items with probabilities proportional to their weights."""

    def __init__(self, items: Iterable[tuple[T, float]]) -> None:
        pairs = [(item, weight) for item, weight in items if weight > 0]
        if not pairs:
            raise ValueError("no items with a positive weight")
        self._items: Sequence[T] = [item for item, _ in pairs]
        self._bounds = list(accumulate(weight for _, weight in pairs))

    def draw(self, random: Random) -> T:
        return self._items[bisect(self._bounds, random.random() * self._bounds[-1], hi=len(self._items) - 1)]
