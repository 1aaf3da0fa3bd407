"""Faults for the memory transport: seeded, so that a run that fails can be run again."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class FaultRates:
    """Probabilities. `rejected` is a record's in a put request, all others are a request's.

    `lost` fails a put before, `ambiguous` after it took effect; `repeated` starts a read some records too early.
    """

    rejected: float = 0.0
    lost: float = 0.0
    ambiguous: float = 0.0
    throttled: float = 0.0
    expired: float = 0.0
    repeated: float = 0.0


class Faults:
    """Decides which fault strikes; `rates` may be changed while it runs."""

    def __init__(self, rates: FaultRates, random: Random) -> None:
        self.rates = rates
        self._random = random

    def strikes(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def step_back(self, most: int) -> int:
        """How many records a repeating read starts too early, at most `most`."""
        return self._random.randint(0, most)
