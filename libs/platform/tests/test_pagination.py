"""Cursors are opaque, survive the way to the client and back, and belong to one list."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from hypothesis import given
from hypothesis import strategies as st

from millrace_platform.errors import Unprocessable
from millrace_platform.pagination import CURSOR_LENGTH_LIMIT, Cursors, CursorText, Limit, next_link
from millrace_platform.problems import install_problem_handlers

NAMES = Cursors("names", tuple[str, int])
NUMBERS = Cursors("numbers", int)
router = APIRouter()


@router.get("/numbers")
async def numbers(request: Request, limit: Limit = 3, cursor: CursorText = None, even: bool = False) -> Response:
    """The numbers up to 10 in pages."""
    behind = -1 if cursor is None else NUMBERS.read(cursor, filters=even)
    found = [number for number in range(11) if number > behind and not (even and number % 2)]
    page = found[:limit]
    headers = {"Link": next_link(request, NUMBERS.write(page[-1], filters=even))} if len(found) > limit else {}
    return Response(str(page), headers=headers)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sample") as opened:
        yield opened


async def pages(client: httpx.AsyncClient, target: str) -> list[str]:
    """The bodies of all pages from this one on."""
    answer: httpx.Response = await client.get(target)
    following = answer.links.get("next", {}).get("url")
    return [answer.text, *(await pages(client, following) if following else [])]


async def test_following_links_shows_each_item_once(client: httpx.AsyncClient) -> None:
    assert await pages(client, "/numbers?limit=4") == ["[0, 1, 2, 3]", "[4, 5, 6, 7]", "[8, 9, 10]"]


async def test_links_keep_the_filters(client: httpx.AsyncClient) -> None:
    assert await pages(client, "/numbers?even=true&limit=4") == ["[0, 2, 4, 6]", "[8, 10]"]


@pytest.mark.parametrize("cursor", ["", "x", "é", "AAAA", "=" * 9, "%00", "a" * CURSOR_LENGTH_LIMIT])
async def test_what_is_no_cursor(client: httpx.AsyncClient, cursor: str) -> None:
    answer = await client.get("/numbers", params={"cursor": cursor})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "cursor"
    assert error["remedy"]


async def test_a_cursor_of_other_filters(client: httpx.AsyncClient) -> None:
    cursor = NUMBERS.write(3, filters=True)
    assert (await client.get("/numbers", params={"cursor": cursor, "even": "true"})).status_code == 200
    assert (await client.get("/numbers", params={"cursor": cursor})).status_code == 422


def test_a_cursor_of_another_list() -> None:
    with pytest.raises(Unprocessable):
        Cursors("others", int).read(NUMBERS.write(3))


async def test_a_limit_out_of_range(client: httpx.AsyncClient) -> None:
    assert [(await client.get("/numbers", params={"limit": limit})).status_code for limit in (0, 1, 200, 201)] == [
        422,
        200,
        200,
        422,
    ]


@given(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**63), 2**63 - 1)))
def test_what_is_written_is_read(position: tuple[str, int]) -> None:
    assert NAMES.read(NAMES.write(position)) == position


@given(st.integers(0, 2**63 - 1), st.data())
def test_a_cursor_that_was_changed_is_refused(position: int, data: st.DataObject) -> None:
    cursor = NUMBERS.write(position)
    at = data.draw(st.integers(0, len(cursor) - 2))  # the last character may hold bits that mean nothing
    other = data.draw(st.sampled_from("ABCxyz019_-").filter(lambda one: one != cursor[at]))
    with pytest.raises(Unprocessable):
        NUMBERS.read(cursor[:at] + other + cursor[at + 1 :])
