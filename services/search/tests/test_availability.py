"""Searches by openings over HTTP."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from millrace_feeds.testing import wait_until
from millrace_readmodel import layout
from millrace_readmodel.cards import Card
from millrace_readmodel.openings import EMPTY_ENTRY

from .conftest import SearchApp
from .factories import NEW_YORK, make_card, make_npi, make_openings_entry

NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)
"""Monday, 9:00 in New York."""
TODAY = date(2026, 11, 23)
NORTH_MILE = 1 / 69.09
TIMES: dict[int, tuple[str, dict[str, Any]]] = {
    1: ("2026-11-23T18:00:00-05:00", {}),
    2: ("2026-11-25T09:00:00-05:00", {"modes": ("video",)}),
    3: ("2026-11-26T14:00:00-05:00", {"modes": ("in_person", "video"), "patients": ("existing",)}),
    4: ("2027-01-15T11:59:00-05:00", {"patients": ("new",)}),
}


def make_entry(card: Card) -> bytes:
    for number, (start, kind) in TIMES.items():
        if card.npi == make_npi(number):
            return make_openings_entry(card, start, today=TODAY, **kind)
    return EMPTY_ENTRY


@pytest.fixture
async def booking_app(search_app: SearchApp) -> SearchApp:
    lat, lon = NEW_YORK
    search_app.set_time(NOW)
    await search_app.serve(
        [make_card(number, lat=lat + number * NORTH_MILE, lon=lon) for number in range(1, 6)], openings=make_entry
    )
    return search_app


def provider_numbers(response: dict[str, Any]) -> list[int]:
    by_npi = {make_npi(number): number for number in range(1, 6)}
    return [by_npi[result["provider"]["npi"]] for result in response["results"]]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"available_within": "60d"}, [1, 2, 3, 4]),
        ({"available_within": "1d"}, [1]),
        ({"available_within": "3d"}, [1, 2]),
        ({"available_from": "2026-11-24"}, [2, 3, 4]),
        ({"available_to": "2026-11-25"}, [1, 2]),
        ({"available_from": "2026-11-25", "available_to": "2026-11-26"}, [2, 3]),
        ({"time_of_day": "morning"}, [2, 4]),
        ({"time_of_day": "afternoon"}, [3]),
        ({"time_of_day": "evening"}, [1]),
        ({"mode": "video"}, [2, 3]),
        ({"mode": "in_person"}, [1, 3, 4]),
        ({"patient": "new"}, [1, 2, 4]),
        ({"patient": "existing", "mode": "video"}, [2, 3]),
        ({"patient": "new", "time_of_day": "afternoon"}, []),
        ({"sort": "soonest"}, [1, 2, 3, 4, 5]),
        ({"sort": "soonest", "mode": "in_person"}, [1, 3, 4]),
    ],
)
async def test_opening_filters(booking_app: SearchApp, parameters: dict[str, Any], expected: list[int]) -> None:
    response = await booking_app.search(**({"sort": "distance"} | parameters))
    assert provider_numbers(response) == expected
    assert response["total"] == len(expected)
    assert response["facets"]["specialty"] == ({"dermatology": len(expected)} if expected else {})


async def test_soonest_sort_ignores_distance(booking_app: SearchApp) -> None:
    assert provider_numbers(await booking_app.search(sort="soonest", available_from="2026-11-24")) == [2, 3, 4]
    booking_app.set_time(NOW + timedelta(days=1))
    assert provider_numbers(await booking_app.search(sort="soonest")) == [2, 3, 4, 1, 5]


async def test_past_part_of_the_day_has_no_openings(booking_app: SearchApp) -> None:
    booking_app.set_time(datetime(2026, 11, 25, 16, 59, tzinfo=UTC))
    assert provider_numbers(await booking_app.search(available_within="1d")) == [2]
    booking_app.set_time(datetime(2026, 11, 25, 17, 0, tzinfo=UTC))
    assert provider_numbers(await booking_app.search(available_within="1d")) == []


async def test_pages_sorted_by_soonest(booking_app: SearchApp) -> None:
    pages: list[int] = []
    cursor = None
    for _ in range(5):
        response = await booking_app.search(sort="soonest", limit=1, cursor=cursor)
        pages += provider_numbers(response)
        cursor = response["next"]
    assert (pages, cursor) == ([1, 2, 3, 4, 5], None)
    first = await booking_app.search(sort="soonest", limit=1)
    error = await booking_app.search_error(
        specialty="dermatology", sort="soonest", limit=1, cursor=first["next"], mode="in_person"
    )
    assert error["field"] == "cursor"


async def test_result_contains_openings(booking_app: SearchApp) -> None:
    response = await booking_app.search(sort="distance")
    assert response["results"][1]["openings"] == {
        "from": "2026-11-23",
        "counts": [0, 0, 1, *[0] * 11],
        "first": ["2026-11-25T09:00:00-05:00"],
    }
    assert response["results"][4]["openings"] is None


async def test_booking_is_visible_without_a_card_write(booking_app: SearchApp) -> None:
    assert provider_numbers(await booking_app.search(available_within="1d")) == [1]
    found: list[Any] = await booking_app.redis.keys("1:o:*")
    (key,) = found
    column = await booking_app.get_value(key)
    rows = await booking_app.get_value(key.replace(b":o:", b":p:"))
    first_card = make_card(1)
    at = rows.index(layout.row_id(first_card.id).to_bytes(8, "little")) // 40 * len(EMPTY_ENTRY)
    assert column[at : at + len(EMPTY_ENTRY)] == make_entry(first_card)
    await booking_app.redis.setrange(key, at, make_openings_entry(first_card, today=TODAY))

    async def is_booked() -> bool:
        return provider_numbers(await booking_app.search(available_within="1d")) == []

    await wait_until(is_booked)
    assert (await booking_app.search(sort="distance"))["results"][0]["openings"]["first"] == []


async def test_misplaced_openings_are_read_again_and_then_omitted(booking_app: SearchApp) -> None:
    (key,) = await booking_app.redis.keys("1:o:*")
    column = await booking_app.get_value(key)
    await booking_app.redis.set(key, b"\7\7" + column[2:])

    async def are_omitted() -> bool:
        response = await booking_app.search(sort="distance")
        return [result["openings"] for result in response["results"]].count(None) == 2

    await wait_until(are_omitted)
    assert (await booking_app.http.get("/internal/search/status")).json()["searches"]["reread"] >= 1


@pytest.mark.parametrize(
    ("parameters", "field", "remedy"),
    [
        ({"available_within": "3"}, "available_within", "3d"),
        ({"available_within": "0d"}, "available_within", "3d"),
        ({"available_within": "61d"}, "available_within", "60"),
        ({"available_within": "3d", "available_to": "2026-11-30"}, "available_within", "either"),
        ({"available_from": "2026-11-30", "available_to": "2026-11-29"}, "available_to", "2026-11-30"),
        ({"available_to": "2026-11-21"}, "available_to", "2026-11-23"),
        ({"available_from": "2027-02-01"}, "available_from", "2027-01-22"),
        ({"available_from": "tomorrow"}, "available_from", ""),
        ({"time_of_day": "night"}, "time_of_day", "morning"),
        ({"mode": "phone"}, "mode", "video"),
        ({"patient": "old"}, "patient", "existing"),
        ({"sort": "latest"}, "sort", "soonest"),
    ],
)
async def test_invalid_parameters_are_rejected(
    booking_app: SearchApp, parameters: dict[str, Any], field: str, remedy: str
) -> None:
    error = await booking_app.search_error(specialty="dermatology", **parameters)
    assert error["field"] == field
    assert remedy in error["remedy"] or remedy in error["detail"]
