"""Find all H3 cells that a circle touches; rarely, the result includes a cell just outside the circle."""

import functools
import math
from dataclasses import dataclass
from typing import Final

import h3.api.basic_int as h3
import numpy as np
import numpy.typing as npt

from millrace_readmodel.layout import H3_RESOLUTION
from millrace_search.engine.sphere import EARTH_RADIUS_MI, Circle, Floats

SPACING_MI: Final = 20.0
"""Lower bound in miles of the distance between the centers of adjacent cells (the smallest is about 22)."""
CELL_REACH_MI: Final = 24.0
"""Upper bound in miles of the distance from a cell's center to its corners (the largest is about 20)."""
SLACK: Final = 1.005
"""Factor on the radius that allows for the error of distances in the plane, which is a tenth of it at 200 miles."""
MARGIN_MI: Final = 0.1
"""Miles added to the radius, because cell sides are arcs and rows contain positions as float32."""
CACHED_COVERS: Final = 65_536
"""Number of cached results, of 400 bytes each: more than there are ZIP codes."""
CACHED_NEIGHBORHOODS: Final = 2_048


@dataclass(frozen=True, slots=True, eq=False)
class _Neighborhood:
    """A cell and its neighbors in an azimuthal equidistant projection around the cell's center, in miles."""

    origin: tuple[float, float]
    """Latitude and longitude of the cell's center in degrees."""
    cells: tuple[str, ...]
    """Cells in hexadecimal; the central cell comes first."""
    starts: Floats
    """(2, sides): start points of the sides of all neighbors, cell by cell."""
    along: Floats
    """(2, sides): vectors from start to end."""
    squares: Floats
    """(sides,): squared lengths of the sides."""
    firsts: npt.NDArray[np.intp]
    """(cells - 1,): index of each neighbor's first side."""


@functools.lru_cache(maxsize=CACHED_COVERS)
def cover_circle(circle: Circle) -> tuple[str, ...]:
    """Return the cells (hexadecimal, sorted) that may contain a position in the circle."""
    home = h3.latlng_to_cell(circle.lat, circle.lon, H3_RESOLUTION)
    reach = circle.radius_mi * SLACK + MARGIN_MI
    # The circle's center may be up to `CELL_REACH_MI` from the home cell's center, and corners as far from theirs.
    neighborhood = _build_neighborhood(home, math.ceil((reach + 2 * CELL_REACH_MI) / SPACING_MI))
    distances = _squared_distances(neighborhood, _project(circle.lat, circle.lon, neighborhood.origin))
    nearest = np.minimum.reduceat(distances, neighborhood.firsts)
    touched = (nearest <= reach * reach).nonzero()[0]
    return tuple(sorted((neighborhood.cells[0], *(neighborhood.cells[1 + number] for number in touched.tolist()))))


def _squared_distances(neighborhood: _Neighborhood, point: tuple[float, float]) -> Floats:
    """Return the squared distances (sides,) from a point to each side."""
    east: Floats = point[0] - neighborhood.starts[0]
    north = point[1] - neighborhood.starts[1]
    share = east * neighborhood.along[0]
    share += north * neighborhood.along[1]
    share /= neighborhood.squares
    np.maximum(share, 0.0, out=share)
    np.minimum(share, 1.0, out=share)
    east -= share * neighborhood.along[0]
    north -= share * neighborhood.along[1]
    east *= east
    north *= north
    east += north
    return east


@functools.lru_cache(maxsize=CACHED_NEIGHBORHOODS)
def _build_neighborhood(home: int, rings: int) -> _Neighborhood:
    origin = h3.cell_to_latlng(home)
    others = [cell for cell in h3.grid_disk(home, rings) if cell != home]
    outlines = [[_project(lat, lon, origin) for lat, lon in h3.cell_to_boundary(cell)] for cell in others]
    starts = np.array([corner for outline in outlines for corner in outline]).T
    ends = np.array([corner for outline in outlines for corner in (*outline[1:], outline[0])]).T
    along = ends - starts
    return _Neighborhood(
        origin=origin,
        cells=tuple(f"{cell:x}" for cell in (home, *others)),
        starts=starts,
        along=along,
        squares=along[0] ** 2 + along[1] ** 2,
        firsts=np.cumsum([0, *(len(outline) for outline in outlines[:-1])]),
    )


def _project(lat: float, lon: float, origin: tuple[float, float]) -> tuple[float, float]:
    """Convert degrees to miles east and north of the origin, preserving distances from the origin."""
    phi0, phi, theta = math.radians(origin[0]), math.radians(lat), math.radians(lon - origin[1])
    towards = math.cos(phi) * math.cos(theta)
    east = math.cos(phi) * math.sin(theta)
    north = math.cos(phi0) * math.sin(phi) - math.sin(phi0) * towards
    sine = math.hypot(east, north)
    angle = math.atan2(sine, math.sin(phi0) * math.sin(phi) + math.cos(phi0) * towards)
    scale = (angle / sine if sine else 1.0) * EARTH_RADIUS_MI
    return east * scale, north * scale
