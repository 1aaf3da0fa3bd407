"""Compute distances on a sphere by unit vectors.

The squared chord |p - q|² between unit vectors increases with the great-circle distance d as (2 sin(d / 2R))², so
squared chords serve to test circles and to order results without a trigonometric function per row. Each step is an
exactly rounded IEEE operation, so a row's value doesn't depend on its position in an array; cursors rely on that.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

EARTH_RADIUS_MI: Final = 3958.7613
"""Mean radius of the Earth in miles (IUGG)."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Circle:
    """All points within `radius_mi` of `lat`, `lon` (degrees), including the boundary."""

    lat: float
    lon: float
    radius_mi: float


def unit_vector(lat: float, lon: float) -> tuple[float, float, float]:
    """Return the unit vector (x, y, z) of a position in degrees."""
    phi, theta = math.radians(lat), math.radians(lon)
    return math.cos(phi) * math.cos(theta), math.cos(phi) * math.sin(theta), math.sin(phi)


def unit_vectors(lat: npt.NDArray[np.float32], lon: npt.NDArray[np.float32]) -> Floats:
    """Return unit vectors (3, n) of positions in degrees."""
    vectors = np.empty((3, len(lat)))
    set_unit_vectors(vectors, lat, lon)
    return vectors


def set_unit_vectors(vectors: Floats, lat: npt.NDArray[np.float32], lon: npt.NDArray[np.float32]) -> None:
    """Write the unit vectors of positions in degrees into an array (3, n)."""
    phi, theta = np.radians(lat, dtype=np.float64), np.radians(lon, dtype=np.float64)
    cos_phi = np.cos(phi)
    np.multiply(cos_phi, np.cos(theta), out=vectors[0])
    np.multiply(cos_phi, np.sin(theta), out=vectors[1])
    np.sin(phi, out=vectors[2])


def squared_chords(vectors: Floats, lat: float, lon: float) -> Floats:
    """Return the squared chords (n,) from unit vectors (3, n) to a position in degrees."""
    differences = vectors - np.array(unit_vector(lat, lon))[:, None]
    differences *= differences
    total: Floats = np.add.reduce(differences, axis=0)
    return total


def squared_chord(distance_mi: float) -> float:
    """Convert a great-circle distance in miles, up to half the circumference, to a squared chord."""
    chord = 2.0 * math.sin(distance_mi / (2.0 * EARTH_RADIUS_MI))
    return chord * chord


def miles(squared: float) -> float:
    """Convert a squared chord to the great-circle distance in miles."""
    return 2.0 * EARTH_RADIUS_MI * math.asin(min(1.0, math.sqrt(squared) / 2.0))
