"""ZIP codes with position, city, state and time zone. Military ZIP codes have no location and are not included."""

from bisect import bisect_left
from collections.abc import Mapping
from functools import cache
from itertools import chain
from sys import intern
from typing import NamedTuple

from millrace_reference.tables import read_rows


class Place(NamedTuple):
    """A ZIP code: its position in WGS 84 degrees (an institution's own, or the middle of its area), city and state."""

    zip: str
    lat: float
    lon: float
    city: str
    state: str
    time_zone: str
    """IANA name."""


@cache
def all_places() -> Mapping[str, Place]:
    """Return all places as a mapping from ZIP code to place, in ascending order of ZIP codes."""
    return {
        row["zip"]: Place(
            zip=row["zip"],
            lat=float(row["lat"]),
            lon=float(row["lon"]),
            city=intern(row["city"]),
            state=intern(row["state"]),
            time_zone=intern(row["time_zone"]),
        )
        for row in read_rows("places.csv.gz")
    }


@cache
def _sorted_zips() -> tuple[str, ...]:
    return tuple(all_places())


def find_place(zip5: str) -> Place | None:
    """Find the place of a five-digit ZIP code; return None if it is unknown."""
    return all_places().get(zip5)


def find_nearest_zips(text: str) -> tuple[str, ...]:
    """Return up to three known ZIP codes like the text: those one typing error away, else the nearest by number."""
    digits = "".join(c for c in text if c in "0123456789")[:5]
    if not digits:
        return ()
    wanted = digits.ljust(5, "0")
    known = all_places()
    corrections = _corrections(wanted) & known.keys() if len(digits) == 5 else ()
    ordered = sorted(corrections, key=lambda candidate: (abs(int(candidate) - int(wanted)), candidate))
    return tuple(dict.fromkeys(chain(ordered, _nearest_by_number(wanted))))[:3]


def _corrections(wanted: str) -> set[str]:
    """Return the text itself and its variants with one digit replaced or two adjacent digits swapped."""
    replaced = {wanted[:i] + digit + wanted[i + 1 :] for i in range(5) for digit in "0123456789"}
    swapped = {wanted[:i] + wanted[i + 1] + wanted[i] + wanted[i + 2 :] for i in range(4)}
    return replaced | swapped


def _nearest_by_number(wanted: str) -> list[str]:
    zips = _sorted_zips()
    at = bisect_left(zips, wanted)
    return sorted(zips[max(0, at - 3) : at + 3], key=lambda candidate: abs(int(candidate) - int(wanted)))
