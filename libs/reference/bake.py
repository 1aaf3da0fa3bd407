"""Generate the package's data files at development time: `python libs/reference/bake.py NUCC_TAXONOMY_CSV`.

Reads the NUCC taxonomy (columns Code, Grouping, Classification, Specialization), the curated lists beside this script,
and the development dependency `zipcodes`; writes `taxonomy.csv`, `specialties.csv` and the demo's `people.csv.gz` into
the package. `bake_places.py` generates `places.csv.gz`. The output is deterministic. Existing specialties keep their
ordinals, because rows of the read model contain them; new ones get the next numbers.
"""

import argparse
import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import zipcodes

HERE = Path(__file__).parent
DATA = HERE / "src" / "millrace_reference" / "data"
DEMO = HERE / "src" / "millrace_reference" / "demo" / "data"
CURATED = HERE / "curated" / "specialties.csv"

# Suffixes that distinguish classifications with the same name in several groupings.
GROUPING_WORDS = {
    "Eye and Vision Services Providers": "Eye and Vision",
    "Speech, Language and Hearing Service Providers": "Speech and Hearing",
    "Respiratory, Developmental, Rehabilitative and Restorative Service Providers": "Rehabilitation",
    "Technologists, Technicians & Other Technical Service Providers": "Laboratory",
    "Nursing Service Related Providers": "Nursing",
    "Other Service Providers": "Other",
    "Allopathic & Osteopathic Physicians": "Physician",
}

Row = Mapping[str, str]


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def render(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def write_gzip(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def slug_of(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower().replace("'", "").replace("&", "and")).strip("-")


def assign_slugs(codes: Sequence[str], curated: Sequence[Row]) -> dict[str, str]:
    """Map NUCC codes to specialties by the curated patterns: codes, or prefixes with `*`; the longest one applies."""
    patterns = {pattern: row["slug"] for row in curated for pattern in row["codes"].split()}
    prefixes = sorted((pattern for pattern in patterns if pattern.endswith("*")), key=len, reverse=True)
    assigned = {}
    for code in codes:
        covering = [code] if code in patterns else [p for p in prefixes if code.startswith(p[:-1])]
        if covering:
            assigned[code] = patterns[covering[0]]
    unused = [p for p in patterns if not p.endswith("*") and p not in codes]
    if unused:
        raise SystemExit(f"unknown NUCC codes in curated/specialties.csv: {', '.join(unused)}")
    return assigned


def classification_name(row: Row, shared: set[str]) -> str:
    name = " ".join(row["Classification"].split())
    return f"{name} ({GROUPING_WORDS[row['Grouping']]})" if name in shared else name


def specialty_rows(taxonomy: Sequence[Row], curated: Sequence[Row]) -> Iterator[tuple[str, str, str, str, int]]:
    """Yield (slug, name, synonyms, codes, listed) of the curated specialties, then of the other classifications."""
    slugs = assign_slugs([row["Code"] for row in taxonomy], curated)
    for row in curated:
        codes = [code for code, slug in slugs.items() if slug == row["slug"]]
        yield row["slug"], row["name"], row["synonyms"], " ".join(codes), 1
    left = [row for row in taxonomy if row["Code"] not in slugs]
    groupings: dict[str, set[str]] = {}
    for row in left:
        groupings.setdefault(row["Classification"], set()).add(row["Grouping"])
    curated_slugs = {row["slug"] for row in curated}
    shared = {name for name, where in groupings.items() if len(where) > 1 or slug_of(name) in curated_slugs}
    fallback: dict[str, list[str]] = {}
    for row in left:
        fallback.setdefault(classification_name(row, shared), []).append(row["Code"])
    for name, codes in fallback.items():
        yield slug_of(name), name, "", " ".join(codes), 0


def bake_specialties(taxonomy: Sequence[Row]) -> None:
    path = DATA / "specialties.csv"
    ordinals = {row["slug"]: int(row["ordinal"]) for row in read_csv(path)} if path.exists() else {}
    rows = []
    for slug, name, synonyms, codes, listed in specialty_rows(taxonomy, read_csv(CURATED)):
        ordinal = ordinals.setdefault(slug, max(ordinals.values(), default=0) + 1)
        rows.append((ordinal, slug, name, listed, synonyms, codes))
    header = ("ordinal", "slug", "name", "listed", "synonyms", "codes")
    path.write_text(render(header, sorted(rows)), encoding="utf-8")


def bake_taxonomy(taxonomy: Sequence[Row]) -> None:
    header = ("code", "grouping", "classification", "specialization")
    rows = [(r["Code"], r["Grouping"], r["Classification"], " ".join(r["Specialization"].split())) for r in taxonomy]
    (DATA / "taxonomy.csv").write_text(render(header, rows), encoding="utf-8")


def list_all() -> list[dict[str, Any]]:
    return list(zipcodes.list_all())  # type: ignore[no-untyped-call] # the stub is incomplete


def count_nearby(points: Sequence[tuple[float, float]]) -> list[int]:
    """Count for each point (degrees) the points in the 3 by 3 cells of a tenth of a degree around it."""
    fields = Counter((round(lat * 10), round(lon * 10)) for lat, lon in points)
    around = [(north, east) for north in (-1, 0, 1) for east in (-1, 0, 1)]
    return [sum(fields[round(lat * 10) + n, round(lon * 10) + e] for n, e in around) for lat, lon in points]


def bake_people() -> None:
    """Estimate the population of each ZIP code for the demo data, from that of states and large cities (thousands).

    A city's population is distributed evenly over its ZIP codes, the rest of a state's population by the density of
    ZIP codes, which are close together where many people live.
    """
    records = [r for r in list_all() if r["zip_code_type"] == "STANDARD" and r["active"] and r["area_codes"]]
    counts = count_nearby([(float(r["lat"]), float(r["long"])) for r in records])
    near = {r["zip_code"]: count for r, count in zip(records, counts, strict=True)}
    cities = {(row["city"], row["state"]): float(row["people"]) for row in read_csv(HERE / "curated" / "cities.csv")}
    people: dict[str, float] = {}
    for state in read_csv(HERE / "curated" / "states.csv"):
        left = float(state["people"])
        rest = []
        by_city: dict[str, list[str]] = {}
        for r in records:
            if r["state"] == state["state"]:
                by_city.setdefault(r["city"], []).append(r["zip_code"])
        for city, zips in by_city.items():
            if (city, state["state"]) in cities:
                share = cities[city, state["state"]]
                left -= share
                people |= dict.fromkeys(zips, share / len(zips))
            else:
                rest += zips
        total = sum(near[code] for code in rest)
        people |= {code: max(left, 0) * near[code] / total for code in rest}
    rows = [(r["zip_code"], r["area_codes"][0], round(people.get(r["zip_code"], 0) * 1000)) for r in records]
    write_gzip(DEMO / "people.csv.gz", render(("zip", "area_code", "people"), sorted(row for row in rows if row[2])))


def main() -> None:
    parser = argparse.ArgumentParser(description="Generate the data files of millrace_reference.")
    parser.add_argument("taxonomy", type=Path, help="NUCC taxonomy as CSV")
    taxonomy = read_csv(parser.parse_args().taxonomy)
    bake_taxonomy(taxonomy)
    bake_specialties(taxonomy)
    bake_people()


if __name__ == "__main__":
    main()
