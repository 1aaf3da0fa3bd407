"""Bayesian averages, in which many reviews weigh more than one."""

from dataclasses import dataclass

DIGITS = 3
"""Published decimals; search stores thousandths."""


@dataclass(frozen=True, slots=True)
class Prior:
    """Prior belief about a provider: `mean` stars, weighted like `weight` reviews."""

    mean: float
    weight: float

    def average(self, total: int, count: int) -> float:
        """Return (weight · mean + total) / (weight + count), for `count` reviews with `total` stars; from 1 to 5."""
        return round((self.weight * self.mean + total) / (self.weight + count), DIGITS)


@dataclass(frozen=True, slots=True)
class Totals:
    """Number of a provider's published reviews and the sums of their stars."""

    count: int
    overall: int
    bedside_manner: int
    wait_time: int


@dataclass(frozen=True, slots=True)
class Averages:
    """Published averages of a provider. With `count` 0 the averages have no meaning."""

    count: int
    overall: float = 0.0
    bedside_manner: float = 0.0
    wait_time: float = 0.0


def compute_averages(totals: Totals, prior: Prior) -> Averages:
    """Return the averages, each dimension separately with the same prior."""
    count = totals.count
    if count == 0:
        return Averages(0)
    return Averages(
        count,
        prior.average(totals.overall, count),
        prior.average(totals.bedside_manner, count),
        prior.average(totals.wait_time, count),
    )
