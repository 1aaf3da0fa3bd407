"""A slow, simple implementation of queries in plain Python, to compare the engine with."""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from millrace_readmodel.layout import ROW
from millrace_search.engine.query import Query

EARTH_RADIUS_MI = 3958.7613
SEXES = (1, 2, 3)
FILTERS = ("language", "sex", "new_patients", "min_rating")


@dataclass(frozen=True)
class Row:
    id: int
    lat: float
    lon: float
    languages: int = 1
    plan_set: int = 0
    specialty: int = 1
    rating: int = 0
    reviews: int = 0
    sex: int = 0
    new_patients: int = 0
    version: int = 1


def pack_rows(rows: list[Row]) -> bytes:
    """Encode rows as the bytes of a partition in the read model."""
    array = np.zeros(len(rows), dtype=ROW)
    for name in ROW.names or ():
        array[name] = [getattr(row, name) for row in rows]
    return array.tobytes()


def haversine(lat: float, lon: float, to_lat: float, to_lon: float) -> float:
    """Return the great-circle distance in miles."""
    phi, to_phi = math.radians(lat), math.radians(to_lat)
    half = math.sin((to_phi - phi) / 2) ** 2
    half += math.cos(phi) * math.cos(to_phi) * math.sin(math.radians(to_lon - lon) / 2) ** 2
    return 2 * EARTH_RADIUS_MI * math.asin(min(1.0, math.sqrt(half)))


def distance(row: Row, query: Query) -> float:
    lat, lon = float(np.float32(row.lat)), float(np.float32(row.lon))
    return haversine(query.circle.lat, query.circle.lon, lat, lon)


def passes_filter(row: Row, query: Query, name: str) -> bool:
    requested: Any = getattr(query, name)
    if requested is None:
        return True
    if name == "language":
        return bool(row.languages >> requested & 1)
    if name == "min_rating":
        return bool(row.rating >= requested)
    return bool(getattr(row, name) == requested)


def find_candidates(rows: list[Row], query: Query) -> list[Row]:
    """Return the rows in the circle that match plan and name, the conditions that apply to all facets."""
    return [
        row
        for row in rows
        if distance(row, query) <= query.circle.radius_mi
        and (query.accepting is None or query.accepting[row.plan_set])
        and (query.names is None or row.id in query.names)
    ]


def find_matches(rows: list[Row], query: Query, *, without: str | None = None) -> list[Row]:
    """Return the rows that pass all filters except the one named `without`."""
    return [
        row
        for row in find_candidates(rows, query)
        if all(passes_filter(row, query, name) for name in FILTERS if name != without)
    ]


def sort_value(row: Row, query: Query) -> float:
    """Return the value by which a row is ordered in the query; lower comes first."""
    chord = 2 * math.sin(distance(row, query) / EARTH_RADIUS_MI / 2)
    if query.sort == "distance":
        return chord**2
    if query.sort == "rating":
        return 1000 * chord**2 - row.rating
    quality = ((5 * 4.0 + row.reviews * row.rating / 1000) / (5 + row.reviews) - 1) / 4
    accepting = (0.5, 0.0, 1.0)[row.new_patients]
    nearness = 1 / (1 + (chord * EARTH_RADIUS_MI / 5) ** 2)
    return -(0.45 * nearness + 0.40 * quality + 0.15 * accepting)


def count_facets(rows: list[Row], query: Query) -> dict[str, Counter[Any]]:
    """Count matches by facet and value."""
    languages = find_matches(rows, query, without="language")
    accepting = find_matches(rows, query, without="new_patients")
    ratings = find_matches(rows, query, without="min_rating")
    return {
        "languages": Counter(bit for row in languages for bit in range(32) if row.languages >> bit & 1),
        "sexes": Counter(row.sex for row in find_matches(rows, query, without="sex") if row.sex),
        "new_patients": Counter(row.new_patients for row in accepting if row.new_patients),
        "ratings": Counter(step for row in ratings for step in (3000, 3500, 4000, 4500) if row.rating >= step),
        "specialties": Counter(row.specialty for row in find_matches(rows, query)),
    }
