"""Where ZIP codes are: centroids, city, state and time zone of those that have a place (military ones have none)."""

from bisect import bisect_left
from collections.abc import Mapping
from functools import cache
from itertools import chain
from sys import intern
from typing import NamedTuple

from millrace_reference.tables import rows


class Place(NamedTuple):
    """A ZIP code's centroid in WGS 84 degrees, its city and state, and its IANA time zone."""

    zip: str
    lat: float
    lon: float
    city: str
    state: str
    time_zone: str


@cache
def all_places() -> Mapping[str, Place]:
    """All places by ZIP code, in order."""
    return {
        row["zip"]: Place(
            zip=row["zip"],
            lat=float(row["lat"]),
            lon=float(row["lon"]),
            city=intern(row["city"]),
            state=intern(row["state"]),
            time_zone=intern(row["time_zone"]),
        )
        for row in rows("places.csv.gz")
    }


@cache
def _sorted_zips() -> tuple[str, ...]:
    return tuple(all_places())


def place(zip5: str) -> Place | None:
    """The place of a five-digit ZIP code."""
    return all_places().get(zip5)


def nearest_zips(text: str) -> tuple[str, ...]:
    """Up to three known ZIP codes that the text may have meant: one digit or a swap away, else the next by number."""
    digits = "".join(c for c in text if c in "0123456789")[:5]
    if not digits:
        return ()
    wanted = digits.ljust(5, "0")
    known = all_places()
    slips = (candidate for candidate in _slips(wanted) if candidate in known) if len(digits) == 5 else iter(())
    ordered = sorted(set(slips), key=lambda candidate: (abs(int(candidate) - int(wanted)), candidate))
    return tuple(dict.fromkeys(chain(ordered, _neighbours(wanted))))[:3]


def _slips(wanted: str) -> set[str]:
    """The text itself, with one digit replaced, and with two neighbours swapped."""
    replaced = {wanted[:i] + digit + wanted[i + 1 :] for i in range(5) for digit in "0123456789"}
    swapped = {wanted[:i] + wanted[i + 1] + wanted[i] + wanted[i + 2 :] for i in range(4)}
    return replaced | swapped


def _neighbours(wanted: str) -> list[str]:
    zips = _sorted_zips()
    at = bisect_left(zips, wanted)
    return sorted(zips[max(0, at - 3) : at + 3], key=lambda candidate: abs(int(candidate) - int(wanted)))
