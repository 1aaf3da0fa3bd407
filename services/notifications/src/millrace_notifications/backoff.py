"""How long to wait after failures: pure."""

from datetime import timedelta
from random import Random


def backoff(failures: int, *, first: timedelta, factor: float, ceiling: timedelta, random: Random) -> timedelta:
    """Exponential from `first`, at most `ceiling`, then a fifth more or less by chance, so that not all come at once.

    `failures` counts those in a row, from 1.
    """
    growth = factor ** min(failures - 1, 64)
    return min(first * growth, ceiling) * random.uniform(0.8, 1.2)
