"""The H3 cells that cover a circle: none is missing, few are unnecessary."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from millrace_readmodel.layout import cell_at
from millrace_search.engine.cover import cover_circle
from millrace_search.engine.sphere import EARTH_RADIUS_MI, Circle


def move(circle: Circle, bearing: float, distance: float) -> tuple[float, float]:
    """Return the position at a bearing (radians) and distance (miles) from the circle's center."""
    angle, phi = distance / EARTH_RADIUS_MI, math.radians(circle.lat)
    sine = math.sin(phi) * math.cos(angle) + math.cos(phi) * math.sin(angle) * math.cos(bearing)
    east = math.sin(bearing) * math.sin(angle) * math.cos(phi)
    lon = math.radians(circle.lon) + math.atan2(east, math.cos(angle) - math.sin(phi) * sine)
    return math.degrees(math.asin(max(-1.0, min(1.0, sine)))), (math.degrees(lon) + 180) % 360 - 180


@settings(max_examples=1000)
@given(st.floats(-80, 80), st.floats(-180, 180), st.floats(0.1, 100), st.floats(0, 2 * math.pi), st.floats(0, 1))
@example(51.8, -176.6, 100.0, math.pi / 2, 1.0)
@example(13.4, 144.8, 100.0, math.pi / 2, 1.0)
def test_cover_contains_every_position_in_the_circle(
    lat: float, lon: float, radius: float, bearing: float, share: float
) -> None:
    circle = Circle(lat, lon, radius)
    assert cell_at(*move(circle, bearing, radius * share)) in cover_circle(circle)


@pytest.mark.parametrize(("radius", "most"), [(1, 3), (10, 4), (25, 11), (100, 90)])
def test_cover_has_few_unnecessary_cells(radius: float, most: int) -> None:
    for step in range(200):
        assert len(cover_circle(Circle(25 + step * 0.11, -70 - step * 0.27, radius))) <= most
