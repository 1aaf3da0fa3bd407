"""ETags and what clients demand of them (RFC 9110)."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Response

from millrace_platform.preconditions import IfMatch, IfNoneMatch, Tags, etag, parse_tags
from millrace_platform.problems import install_problem_handlers

CURRENT = 7
router = APIRouter()


@router.put("/thing")
async def change(if_match: IfMatch) -> Response:
    if_match.require(CURRENT)
    return Response(headers={"ETag": etag(CURRENT + 1)})


@router.get("/thing")
async def read(if_none_match: IfNoneMatch) -> Response:
    return Response(status_code=304 if if_none_match.match_weakly(CURRENT) else 200)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sample") as opened:
        yield opened


async def put(client: httpx.AsyncClient, tags: str | None) -> httpx.Response:
    return await client.put("/thing", headers={} if tags is None else {"If-Match": tags})


@pytest.mark.parametrize("tags", ['"7"', "*", '"6", "7"', '"6","7"', ' "7" ', 'W/"6", "7"'])
async def test_the_version_that_is_there(client: httpx.AsyncClient, tags: str) -> None:
    answer = await put(client, tags)
    assert (answer.status_code, answer.headers["etag"]) == (200, '"8"')


@pytest.mark.parametrize("tags", ['"6"', '"77"', 'W/"7"', '""', '"07"', '"a", "b"', ""])
async def test_another_version(client: httpx.AsyncClient, tags: str) -> None:
    answer = await put(client, tags)
    assert answer.status_code == 412
    assert answer.json()["type"] == "urn:millrace:problem:precondition-failed"


async def test_no_version(client: httpx.AsyncClient) -> None:
    answer = await put(client, None)
    assert answer.status_code == 428
    assert answer.json()["type"] == "urn:millrace:problem:precondition-required"


@pytest.mark.parametrize("tags", ["7", '"7', 'w/"7"', '"7" "8"', '*, "7"', "'7'", "seven"])
async def test_what_is_no_list_of_tags(client: httpx.AsyncClient, tags: str) -> None:
    answer = await put(client, tags)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "If-Match"
    assert tags not in error["detail"]


@pytest.mark.parametrize(
    ("tags", "status"),
    [('"7"', 304), ('W/"7"', 304), ("*", 304), ('"6", W/"7"', 304), ('"6"', 200), ("7", 200), ("", 200)],
)
async def test_what_the_client_has_already(client: httpx.AsyncClient, tags: str, status: int) -> None:
    assert (await client.get("/thing", headers={"If-None-Match": tags})).status_code == status


def test_any_version() -> None:
    assert parse_tags(" * ") == Tags(None)
