"""Covers leave nothing out, and take little in."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from millrace_readmodel.layout import cell_at
from millrace_search.engine.cover import cells
from millrace_search.engine.sphere import EARTH_RADIUS_MI, Circle


def towards(circle: Circle, bearing: float, distance: float) -> tuple[float, float]:
    """The position at a bearing (radians) and distance (miles) from the circle's centre."""
    angle, phi = distance / EARTH_RADIUS_MI, math.radians(circle.lat)
    sine = math.sin(phi) * math.cos(angle) + math.cos(phi) * math.sin(angle) * math.cos(bearing)
    east = math.sin(bearing) * math.sin(angle) * math.cos(phi)
    lon = math.radians(circle.lon) + math.atan2(east, math.cos(angle) - math.sin(phi) * sine)
    return math.degrees(math.asin(max(-1.0, min(1.0, sine)))), (math.degrees(lon) + 180) % 360 - 180


@settings(max_examples=1000)
@given(st.floats(-80, 80), st.floats(-180, 180), st.floats(0.1, 100), st.floats(0, 2 * math.pi), st.floats(0, 1))
@example(51.8, -176.6, 100.0, math.pi / 2, 1.0)
@example(13.4, 144.8, 100.0, math.pi / 2, 1.0)
def test_no_position_inside_the_circle_lies_in_a_cell_left_out(
    lat: float, lon: float, radius: float, bearing: float, share: float
) -> None:
    circle = Circle(lat, lon, radius)
    assert cell_at(*towards(circle, bearing, radius * share)) in cells(circle)


@pytest.mark.parametrize(("radius", "most"), [(1, 3), (10, 4), (25, 11), (100, 90)])
def test_few_cells_are_taken_in_for_nothing(radius: float, most: int) -> None:
    for step in range(200):
        assert len(cells(Circle(25 + step * 0.11, -70 - step * 0.27, radius))) <= most
