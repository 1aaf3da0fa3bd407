"""The metropolitan areas of the demo: few and dense, in all time zones, rather than thin over the country."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from millrace_reference.demo.sampling import WeightedChoice
from millrace_reference.places import Place, find_place
from millrace_reference.tables import read_rows

AREA_MINIMUM = 400
FIRST_PART = 120
"""Providers of the demo's first part: enough for the searches of README and tutorials, and soon loaded."""

_EARTH_MILES = 3_958.8


@dataclass(frozen=True, slots=True)
class Area:
    """A metropolitan area: the ZIP codes at most `miles` around the one in its middle; `share` in percent."""

    slug: str
    name: str
    middle: Place
    miles: float
    share: float


@cache
def all_areas() -> tuple[Area, ...]:
    """Return the areas; the first one contains the places of the tutorials."""
    return tuple(
        Area(row["slug"], row["name"], _known_place(row["zip"]), float(row["miles"]), float(row["share"]))
        for row in read_rows("areas.csv", "millrace_reference.demo.data")
    )


def split_among_areas(count: int) -> Sequence[tuple[Area, int]]:
    """Return areas with their numbers of providers, whose sum is `count`; few providers are in the first areas only.

    At least `AREA_MINIMUM` providers are in an area, unless it is the only one.
    """
    areas = all_areas()[: max(1, min(len(all_areas()), count // AREA_MINIMUM))]
    total = sum(area.share for area in areas)
    bounds = [round(count * shares / total) for shares in accumulate(area.share for area in areas)]
    return [(area, until - since) for area, since, until in zip(areas, [0, *bounds], bounds, strict=False)]


def split_into_parts(count: int) -> Sequence[tuple[Area, int]]:
    """Return `split_among_areas` with the first area in two parts: FIRST_PART providers, and the others if any."""
    (area, size), *others = split_among_areas(count)
    first = min(size, FIRST_PART)
    return [(area, part) for part in (first, size - first) if part or part == first] + others


@cache
def populated_places(area: Area) -> WeightedChoice[tuple[Place, str]]:
    """Return the area's ZIP codes with their telephone area codes, to be drawn in proportion to their population."""
    return WeightedChoice(
        ((place, area_code), people)
        for place, area_code, people in _all_populated_places()
        if _miles_between(place, area.middle) <= area.miles
    )


@cache
def _all_populated_places() -> tuple[tuple[Place, str, float], ...]:
    rows = read_rows("people.csv.gz", "millrace_reference.demo.data")
    found = ((find_place(row["zip"]), row["area_code"], float(row["people"])) for row in rows)
    return tuple((place, area_code, people) for place, area_code, people in found if place is not None)


def _miles_between(one: Place, other: Place) -> float:
    """Return the distance on a sphere, by the equirectangular approximation, which suffices for an area."""
    east = math.radians(one.lon - other.lon) * math.cos(math.radians((one.lat + other.lat) / 2))
    return _EARTH_MILES * math.hypot(east, math.radians(one.lat - other.lat))


def _known_place(zip_code: str) -> Place:
    place = find_place(zip_code)
    if place is None:
        raise ValueError(f"areas.csv names an unknown ZIP code: {zip_code}")
    return place
