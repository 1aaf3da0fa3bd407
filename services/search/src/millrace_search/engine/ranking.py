"""Compute sort values of results: lower comes first. The sort value for distance is the squared chord (`sphere`).

Uses only operations that IEEE 754 rounds exactly, for the reason given in `sphere`.
"""

from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from millrace_search.engine.sphere import EARTH_RADIUS_MI, Floats

Sort = Literal["relevance", "distance", "rating", "soonest"]

DISTANCE_WEIGHT: Final = 0.45
QUALITY_WEIGHT: Final = 0.40
ACCEPTING_WEIGHT: Final = 0.15
HALF_DISTANCE_MI: Final = 5.0
"""Distance at which the distance term is half of its maximum."""
PRIOR_RATING: Final = 4.0
PRIOR_REVIEWS: Final = 5.0
"""Each provider is rated as if with five additional four-star reviews."""
_REST: Final = ACCEPTING_WEIGHT * np.array([0.5, 0.0, 1.0, 0.5]) - QUALITY_WEIGHT / 4
"""Terms by the row's `new_patients` (unknown, no, yes; 3 is unused), including the -1 / 4 of quality."""
_HALF_CHORD: Final = (HALF_DISTANCE_MI / EARTH_RADIUS_MI) ** 2
_NEAREST_LAST: Final = 1000.0
"""Scales squared chords (at most 0.0007 within 100 miles) to less than a thousandth of a star, or a part of a day."""


def merit(
    ratings: npt.NDArray[np.intp], reviews: npt.NDArray[np.uint16], new_patients: npt.NDArray[np.uint8], *, out: Floats
) -> None:
    """Write the part of relevance that doesn't depend on the query to `out`: `0.40 * quality + 0.15 * accepting`.

    quality = ((5 * 4.0 + reviews * rating) / (5 + reviews) - 1) / 4, the Bayesian average rating, scaled to 0 to 1;
    accepting = 1 if new patients are accepted, 0 if not, 0.5 if unknown. Higher is better.
    `ratings` are in thousandths of a star, 0 without reviews; `reviews` are numbers of reviews.
    """
    np.multiply(ratings, reviews, out=out, dtype=np.float64)
    out += PRIOR_REVIEWS * PRIOR_RATING * 1000.0
    out /= reviews + PRIOR_REVIEWS
    out *= QUALITY_WEIGHT / 4000.0
    out += _REST[new_patients]


def by_relevance(chords: Floats, merits: Floats) -> Floats:
    """Return sort values, lowest for the most relevant result: -(merit + 0.45 / (1 + (d / 5 mi)²)).

    `chords` are squared chords to the center, from which the distance d follows; `merits` are results of `merit`.
    """
    order: Floats = -_HALF_CHORD - chords
    np.divide(DISTANCE_WEIGHT * _HALF_CHORD, order, out=order)
    order -= merits
    return order


def by_rating(chords: Floats, ratings: npt.NDArray[np.intp]) -> Floats:
    """Return sort values, lowest for the best rating, highest without one; equal ratings are ordered by distance.

    `chords` are squared chords to the center; `ratings` are in thousandths of a star, 0 without a rating.
    """
    order: Floats = chords * _NEAREST_LAST
    order -= ratings
    return order


def by_soonest(chords: Floats, parts_of_days: Floats) -> Floats:
    """Return sort values, lower for an earlier first opening; the distance breaks ties within a part of a day.

    `chords` are squared chords to the center; `parts_of_days` are results of `OpeningsMatcher.soonest`.
    """
    order: Floats = chords * _NEAREST_LAST
    order += parts_of_days
    return order
