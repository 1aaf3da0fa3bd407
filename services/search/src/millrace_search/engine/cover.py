"""Which H3 cells a circle touches: never one too few, rarely one too many."""

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
"""Between the centres of neighbouring cells: at least (about 22 where cells are smallest)."""
CELL_REACH_MI: Final = 24.0
"""From a cell's centre to its farthest corner: at most (about 20)."""
SLACK: Final = 1.005
"""Factor on the radius for distances being taken on a plane, of which 200 miles from its origin a tenth is used up."""
MARGIN_MI: Final = 0.1
"""Added for sides being arcs, and for positions that a row keeps as float32."""
COVERS: Final = 65_536
"""Some more than there are ZIP codes; 400 bytes each."""
SURROUNDINGS: Final = 2_048


@dataclass(frozen=True, slots=True, eq=False)
class _Surroundings:
    """A cell and those around it, drawn on a plane: azimuthal equidistant around the cell's centre, in miles."""

    origin: tuple[float, float]
    """Degrees."""
    cells: tuple[str, ...]
    """The cell in the middle comes first."""
    starts: Floats
    """(2, sides) of all cells but the one in the middle, cell by cell."""
    along: Floats
    """(2, sides) from start to end."""
    squares: Floats
    """(sides,) squared lengths."""
    firsts: npt.NDArray[np.intp]
    """(cells - 1,): number of each cell's first side."""


@functools.lru_cache(maxsize=COVERS)
def cells(circle: Circle) -> tuple[str, ...]:
    """The cells (hexadecimal, sorted) that may hold a position inside the circle."""
    home = h3.latlng_to_cell(circle.lat, circle.lon, H3_RESOLUTION)
    reach = circle.radius_mi * SLACK + MARGIN_MI
    # The home cell reaches as far behind its centre as the circle's centre may lie before it.
    around = _surroundings(home, math.ceil((reach + 2 * CELL_REACH_MI) / SPACING_MI))
    distances = _squared_distances(around, _project(circle.lat, circle.lon, around.origin))
    nearest = np.minimum.reduceat(distances, around.firsts)
    touched = (nearest <= reach * reach).nonzero()[0]
    return tuple(sorted((around.cells[0], *(around.cells[1 + number] for number in touched.tolist()))))


def _squared_distances(around: _Surroundings, point: tuple[float, float]) -> Floats:
    """(sides,) from a point to each side."""
    east: Floats = point[0] - around.starts[0]
    north = point[1] - around.starts[1]
    share = east * around.along[0]
    share += north * around.along[1]
    share /= around.squares
    np.maximum(share, 0.0, out=share)
    np.minimum(share, 1.0, out=share)
    east -= share * around.along[0]
    north -= share * around.along[1]
    east *= east
    north *= north
    east += north
    return east


@functools.lru_cache(maxsize=SURROUNDINGS)
def _surroundings(home: int, rings: int) -> _Surroundings:
    origin = h3.cell_to_latlng(home)
    others = [cell for cell in h3.grid_disk(home, rings) if cell != home]
    outlines = [[_project(lat, lon, origin) for lat, lon in h3.cell_to_boundary(cell)] for cell in others]
    starts = np.array([corner for outline in outlines for corner in outline]).T
    ends = np.array([corner for outline in outlines for corner in (*outline[1:], outline[0])]).T
    along = ends - starts
    return _Surroundings(
        origin=origin,
        cells=tuple(f"{cell:x}" for cell in (home, *others)),
        starts=starts,
        along=along,
        squares=along[0] ** 2 + along[1] ** 2,
        firsts=np.cumsum([0, *(len(outline) for outline in outlines[:-1])]),
    )


def _project(lat: float, lon: float, origin: tuple[float, float]) -> tuple[float, float]:
    """Miles east and north of the origin, from degrees: distances from the origin are true."""
    phi0, phi, theta = math.radians(origin[0]), math.radians(lat), math.radians(lon - origin[1])
    towards = math.cos(phi) * math.cos(theta)
    east = math.cos(phi) * math.sin(theta)
    north = math.cos(phi0) * math.sin(phi) - math.sin(phi0) * towards
    sine = math.hypot(east, north)
    angle = math.atan2(sine, math.sin(phi0) * math.sin(phi) + math.cos(phi0) * towards)
    scale = (angle / sine if sine else 1.0) * EARTH_RADIUS_MI
    return east * scale, north * scale
