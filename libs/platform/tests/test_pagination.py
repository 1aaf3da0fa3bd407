"""Cursors and links of paginated lists."""

from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Request, Response
from hypothesis import given
from hypothesis import strategies as st

from millrace_platform.errors import Unprocessable
from millrace_platform.pagination import CURSOR_LENGTH_LIMIT, Cursors, CursorText, Limit, next_link

NAMES = Cursors("names", tuple[str, int])
NUMBERS = Cursors("numbers", int)
router = APIRouter()


@router.get("/numbers")
async def numbers(request: Request, limit: Limit = 3, cursor: CursorText = None, even: bool = False) -> Response:
    """Return the numbers up to 10 in pages."""
    after = -1 if cursor is None else NUMBERS.read(cursor, filters=even)
    found = [number for number in range(11) if number > after and not (even and number % 2)]
    page = found[:limit]
    headers = {"Link": next_link(request, NUMBERS.write(page[-1], filters=even))} if len(found) > limit else {}
    return Response(str(page), headers=headers)


async def fetch_pages(client: httpx.AsyncClient, target: str) -> list[str]:
    """Return the bodies of all pages from this one on."""
    response: httpx.Response = await client.get(target)
    following = response.links.get("next", {}).get("url")
    return [response.text, *(await fetch_pages(client, following) if following else [])]


async def test_links_lead_to_each_item_once(router_client: httpx.AsyncClient) -> None:
    assert await fetch_pages(router_client, "/numbers?limit=4") == ["[0, 1, 2, 3]", "[4, 5, 6, 7]", "[8, 9, 10]"]


async def test_links_keep_the_filters(router_client: httpx.AsyncClient) -> None:
    assert await fetch_pages(router_client, "/numbers?even=true&limit=4") == ["[0, 2, 4, 6]", "[8, 10]"]


@pytest.mark.parametrize("cursor", ["", "x", "é", "AAAA", "=" * 9, "%00", "a" * CURSOR_LENGTH_LIMIT])
async def test_invalid_cursor_is_rejected(router_client: httpx.AsyncClient, cursor: str) -> None:
    response = await router_client.get("/numbers", params={"cursor": cursor})
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["field"] == "cursor"
    assert error["remedy"]


async def test_cursor_of_other_filters_is_rejected(router_client: httpx.AsyncClient) -> None:
    cursor = NUMBERS.write(3, filters=True)
    assert (await router_client.get("/numbers", params={"cursor": cursor, "even": "true"})).status_code == 200
    assert (await router_client.get("/numbers", params={"cursor": cursor})).status_code == 422


def test_cursor_of_another_list_is_rejected() -> None:
    with pytest.raises(Unprocessable):
        Cursors("others", int).read(NUMBERS.write(3))


@pytest.mark.parametrize(
    ("list_of", "position"),
    [
        (Cursors("a", int), 2**63),
        (Cursors("a", tuple[str, int]), ("a", 2**64 - 1)),
        (Cursors("a", tuple[str, int]), ("a\0b", 1)),
        (Cursors("a", float), float("nan")),
        (Cursors("a", float), float("inf")),
        (Cursors("a", datetime), datetime(9999, 12, 31, 23, tzinfo=UTC)),
        (Cursors("a", datetime), datetime(1, 1, 1, tzinfo=UTC)),
        (Cursors("a", datetime), datetime(2027, 1, 1)),  # noqa: DTZ001 # what a client may make up
        (Cursors("a", date), date(9999, 12, 31)),
        (Cursors("a", int), "text"),
        (Cursors("a", int), [[[[]]]]),
    ],
)
def test_position_that_no_column_can_have_is_rejected(list_of: Cursors[Any], position: object) -> None:
    with pytest.raises(Unprocessable):
        list_of.read(list_of.write(position))


async def test_limit_out_of_range_is_rejected(router_client: httpx.AsyncClient) -> None:
    responses = [await router_client.get("/numbers", params={"limit": limit}) for limit in (0, 1, 200, 201)]
    assert [response.status_code for response in responses] == [422, 200, 200, 422]


@given(
    st.tuples(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.integers(-(2**63), 2**63 - 1)
    )
)
def test_cursor_round_trip(position: tuple[str, int]) -> None:
    assert NAMES.read(NAMES.write(position)) == position


@given(st.integers(0, 2**63 - 1), st.data())
def test_modified_cursor_is_rejected(position: int, data: st.DataObject) -> None:
    cursor = NUMBERS.write(position)
    at = data.draw(st.integers(0, len(cursor) - 2))  # the last character may have unused bits
    other = data.draw(st.sampled_from("ABCxyz019_-").filter(lambda one: one != cursor[at]))
    with pytest.raises(Unprocessable):
        NUMBERS.read(cursor[:at] + other + cursor[at + 1 :])
