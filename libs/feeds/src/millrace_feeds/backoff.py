"""Exponential backoff with jitter."""

from dataclasses import dataclass
from random import Random

_RANDOM = Random()  # noqa: S311


@dataclass(frozen=True, slots=True)
class Backoff:
    """Computes the pauses between retries: `first * factor**(failures - 1)` seconds, at most `ceiling`, then varied.

    `jitter` is the largest relative deviation: 0.2 varies each pause by up to 20 %, so that clients which failed
    together don't retry together. With 0 the pauses are exact.
    """

    first: float = 0.1
    factor: float = 2.0
    ceiling: float = 5.0
    jitter: float = 0.2

    def delay(self, failures: int, random: Random = _RANDOM) -> float:
        """Return the seconds to wait after so many consecutive failures; a seeded `random` gives repeatable jitter."""
        pause = min(self.first * self.factor ** min(failures - 1, 64), self.ceiling)
        return pause * random.uniform(1 - self.jitter, 1 + self.jitter)
