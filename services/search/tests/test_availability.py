"""Searches by openings, over HTTP."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from millrace_feeds.testing import wait_until
from millrace_readmodel import layout
from millrace_readmodel.cards import Card
from millrace_readmodel.openings import EMPTY_ENTRY

from .conftest import Site
from .factories import NEW_YORK, card, npi, openings

NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)
"""Monday, nine o'clock in New York, three in Honolulu."""
TODAY = date(2026, 11, 23)
NORTH_MILE = 1 / 69.09
TIMES: dict[int, tuple[str, dict[str, Any]]] = {
    1: ("2026-11-23T18:00:00-05:00", {}),
    2: ("2026-11-25T09:00:00-05:00", {"modes": ("video",)}),
    3: ("2026-11-26T14:00:00-05:00", {"modes": ("in_person", "video"), "patients": ("existing",)}),
    4: ("2027-01-15T11:59:00-05:00", {"patients": ("new",)}),
}


def entry(made: Card) -> bytes:
    for number, (start, kind) in TIMES.items():
        if made.npi == npi(number):
            return openings(made, start, today=TODAY, **kind)
    return EMPTY_ENTRY


@pytest.fixture
async def booking(site: Site) -> Site:
    lat, lon = NEW_YORK
    site.at(NOW)
    await site.serve([card(number, lat=lat + number * NORTH_MILE, lon=lon) for number in range(1, 6)], openings=entry)
    return site


def numbers(answer: dict[str, Any]) -> list[int]:
    by_npi = {npi(number): number for number in range(1, 6)}
    return [by_npi[result["provider"]["npi"]] for result in answer["results"]]


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
async def test_openings_narrow_a_search(booking: Site, parameters: dict[str, Any], expected: list[int]) -> None:
    answer = await booking.search(**({"sort": "distance"} | parameters))
    assert numbers(answer) == expected
    assert answer["total"] == len(expected)
    assert answer["facets"]["specialty"] == ({"dermatology": len(expected)} if expected else {})


async def test_the_soonest_come_first_whatever_their_distance(booking: Site) -> None:
    assert numbers(await booking.search(sort="soonest", available_from="2026-11-24")) == [2, 3, 4]
    booking.at(NOW + timedelta(days=1))
    assert numbers(await booking.search(sort="soonest")) == [2, 3, 4, 1, 5]


async def test_a_part_of_the_day_that_is_over_has_no_openings(booking: Site) -> None:
    booking.at(datetime(2026, 11, 25, 16, 59, tzinfo=UTC))
    assert numbers(await booking.search(available_within="1d")) == [2]
    booking.at(datetime(2026, 11, 25, 17, 0, tzinfo=UTC))
    assert numbers(await booking.search(available_within="1d")) == []


async def test_pages_by_the_soonest_hold_together(booking: Site) -> None:
    pages: list[int] = []
    cursor = None
    for _ in range(5):
        answer = await booking.search(sort="soonest", limit=1, cursor=cursor)
        pages += numbers(answer)
        cursor = answer["next"]
    assert (pages, cursor) == ([1, 2, 3, 4, 5], None)
    first = await booking.search(sort="soonest", limit=1)
    wrong = await booking.refusal(
        specialty="dermatology", sort="soonest", limit=1, cursor=first["next"], mode="in_person"
    )
    assert wrong["field"] == "cursor"


async def test_a_card_carries_its_openings(booking: Site) -> None:
    answer = await booking.search(sort="distance")
    assert answer["results"][1]["openings"] == {
        "from": "2026-11-23",
        "counts": [0, 0, 1, *[0] * 11],
        "first": ["2026-11-25T09:00:00-05:00"],
    }
    assert answer["results"][4]["openings"] is None


async def test_a_booking_shows_without_the_card_being_written(booking: Site) -> None:
    assert numbers(await booking.search(available_within="1d")) == [1]
    found: list[Any] = await booking.redis.keys("1:o:*")
    (key,) = found
    column = await booking.value(key)
    rows = await booking.value(key.replace(b":o:", b":p:"))
    one = card(1)
    at = rows.index(layout.row_id(one.id).to_bytes(8, "little")) // 40 * len(EMPTY_ENTRY)
    assert column[at : at + len(EMPTY_ENTRY)] == entry(one)
    await booking.redis.setrange(key, at, openings(one, today=TODAY))

    async def gone() -> bool:
        return numbers(await booking.search(available_within="1d")) == []

    await wait_until(gone)
    assert (await booking.search(sort="distance"))["results"][0]["openings"]["first"] == []


async def test_openings_that_stand_beside_the_wrong_row_are_read_again_and_then_left_out(booking: Site) -> None:
    (key,) = await booking.redis.keys("1:o:*")
    column = await booking.value(key)
    await booking.redis.set(key, b"\7\7" + column[2:])

    async def left_out() -> bool:
        answer = await booking.search(sort="distance")
        return [result["openings"] for result in answer["results"]].count(None) == 2

    await wait_until(left_out)
    assert (await booking.http.get("/internal/search/status")).json()["searches"]["reread"] >= 1


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
async def test_what_has_no_meaning_is_refused(
    booking: Site, parameters: dict[str, Any], field: str, remedy: str
) -> None:
    error = await booking.refusal(specialty="dermatology", **parameters)
    assert error["field"] == field
    assert remedy in error["remedy"] or remedy in error["detail"]
