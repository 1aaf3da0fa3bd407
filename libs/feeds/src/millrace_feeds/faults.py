"""Random faults for the in-memory transport, seeded so that a failed run can be repeated."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class FaultRates:
    """Probabilities (0 to 1) of faults: `rejected` per record of a put request, the others per request.

    `lost` makes a put fail before it takes effect, `ambiguous` after that; `repeated` starts a read some records too
    early, `expired` makes its iterator invalid, and `throttled` rejects a put or a read.
    """

    rejected: float = 0.0
    lost: float = 0.0
    ambiguous: float = 0.0
    throttled: float = 0.0
    expired: float = 0.0
    repeated: float = 0.0


class FaultInjector:
    """Decides at random which faults occur; `rates` may be changed at any time."""

    def __init__(self, rates: FaultRates, random: Random) -> None:
        self.rates = rates
        self._random = random

    def occurs(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def rewind_distance(self, limit: int) -> int:
        """Return a random number of records, 0 to `limit`, by which a repeated read starts too early."""
        return self._random.randint(0, limit)
