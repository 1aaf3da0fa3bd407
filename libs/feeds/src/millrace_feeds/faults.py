"""Random faults for the in-memory transport, seeded so that a failed run can be repeated."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class FaultRates:
    """Probabilities of faults: `rejected` per record of a put request, the others per request.

    `lost` fails a put before and `ambiguous` after it took effect; `repeated` starts a read some records too early.
    """

    rejected: float = 0.0
    lost: float = 0.0
    ambiguous: float = 0.0
    throttled: float = 0.0
    expired: float = 0.0
    repeated: float = 0.0


class FaultInjector:
    """Decides which fault occurs; `rates` may be changed while it runs."""

    def __init__(self, rates: FaultRates, random: Random) -> None:
        self.rates = rates
        self._random = random

    def occurs(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def rewind_distance(self, limit: int) -> int:
        """Return by how many records a repeated read starts too early, at most `limit`."""
        return self._random.randint(0, limit)
