"""Bayesian averages: a provider with few reviews is close to an assumed mean, the prior."""

from dataclasses import dataclass

DIGITS = 3
"""Decimals of the published averages; search stores thousandths."""


@dataclass(frozen=True, slots=True)
class Prior:
    """Assumption about a provider without reviews: `mean` stars, which weigh as much as `weight` reviews."""

    mean: float
    weight: float

    def average(self, total: int, count: int) -> float:
        """Return the average, from 1 to 5: (weight · mean + total) / (weight + count).

        `count` is the number of reviews, `total` the sum of their stars.
        """
        return round((self.weight * self.mean + total) / (self.weight + count), DIGITS)


@dataclass(frozen=True, slots=True)
class Totals:
    """Number of a provider's published reviews, and the sum of their stars for each rated aspect."""

    count: int
    overall: int
    bedside_manner: int
    wait_time: int


@dataclass(frozen=True, slots=True)
class Averages:
    """Published averages of a provider, one for each rated aspect. If `count` is 0, they have no meaning."""

    count: int
    overall: float = 0.0
    bedside_manner: float = 0.0
    wait_time: float = 0.0


def compute_averages(totals: Totals, prior: Prior) -> Averages:
    """Return the averages; each rated aspect is averaged separately with the same prior."""
    count = totals.count
    if count == 0:
        return Averages(0)
    return Averages(
        count,
        prior.average(totals.overall, count),
        prior.average(totals.bedside_manner, count),
        prior.average(totals.wait_time, count),
    )
