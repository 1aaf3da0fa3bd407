"""Bayesian averages: what many say weighs more than what one says."""

from dataclasses import dataclass

DIGITS = 3
"""Decimals that are told: search keeps thousandths."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed before any review: `mean` stars, as firmly as `weight` reviews would make it."""

    mean: float
    weight: float

    def average(self, total: int, count: int) -> float:
        """(weight · mean + sum of stars) / (weight + count), for `count` reviews of `total` stars; from 1 to 5."""
        return round((self.weight * self.mean + total) / (self.weight + count), DIGITS)


@dataclass(frozen=True, slots=True)
class Totals:
    """How many published reviews a provider has, and the sums of their stars."""

    count: int
    overall: int
    bedside_manner: int
    wait_time: int


@dataclass(frozen=True, slots=True)
class Averages:
    """What is told of a provider. Without reviews (`count` 0) nothing is, and the averages mean nothing."""

    count: int
    overall: float = 0.0
    bedside_manner: float = 0.0
    wait_time: float = 0.0


def averages(totals: Totals, prior: Prior) -> Averages:
    """Each dimension by itself, all with the same prior."""
    count = totals.count
    if count == 0:
        return Averages(0)
    return Averages(
        count,
        prior.average(totals.overall, count),
        prior.average(totals.bedside_manner, count),
        prior.average(totals.wait_time, count),
    )
