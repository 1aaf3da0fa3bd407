"""ETags and preconditions (RFC 9110)."""

from datetime import datetime

import httpx
import pytest
from fastapi import APIRouter, Response

from millrace_platform.preconditions import IfMatch, IfModifiedSince, IfNoneMatch, Tags, etag, parse_tags

CURRENT = 7
router = APIRouter()


@router.put("/thing")
async def change(if_match: IfMatch) -> Response:
    if_match.require(CURRENT)
    return Response(headers={"ETag": etag(CURRENT + 1)})


@router.get("/thing")
async def read(if_none_match: IfNoneMatch) -> Response:
    return Response(status_code=304 if if_none_match.match_weakly(CURRENT) else 200)


@router.get("/dated")
async def read_dated(known_since: IfModifiedSince) -> datetime | None:
    return known_since


async def put(client: httpx.AsyncClient, tags: str | None) -> httpx.Response:
    return await client.put("/thing", headers={} if tags is None else {"If-Match": tags})


@pytest.mark.parametrize("tags", ['"7"', "*", '"6", "7"', '"6","7"', ' "7" ', 'W/"6", "7"'])
async def test_if_match_accepts_current_version(router_client: httpx.AsyncClient, tags: str) -> None:
    response = await put(router_client, tags)
    assert (response.status_code, response.headers["etag"]) == (200, '"8"')


@pytest.mark.parametrize("tags", ['"6"', '"77"', 'W/"7"', '""', '"07"', '"a", "b"', ""])
async def test_if_match_rejects_other_versions(router_client: httpx.AsyncClient, tags: str) -> None:
    response = await put(router_client, tags)
    assert response.status_code == 412
    assert response.json()["type"] == "urn:millrace:problem:precondition-failed"


async def test_if_match_is_required(router_client: httpx.AsyncClient) -> None:
    response = await put(router_client, None)
    assert response.status_code == 428
    assert response.json()["type"] == "urn:millrace:problem:precondition-required"


@pytest.mark.parametrize("tags", ["7", '"7', 'w/"7"', '"7" "8"', '*, "7"', "'7'", "seven"])
async def test_invalid_if_match_is_rejected(router_client: httpx.AsyncClient, tags: str) -> None:
    response = await put(router_client, tags)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["field"] == "If-Match"
    assert tags not in error["detail"]


@pytest.mark.parametrize(
    ("tags", "status"),
    [('"7"', 304), ('W/"7"', 304), ("*", 304), ('"6", W/"7"', 304), ('"6"', 200), ("7", 200), ("", 200)],
)
async def test_if_none_match(router_client: httpx.AsyncClient, tags: str, status: int) -> None:
    assert (await router_client.get("/thing", headers={"If-None-Match": tags})).status_code == status


@pytest.mark.parametrize("date", ["soon", "Sat, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 99 Foo 0000", ""])
async def test_invalid_if_modified_since_is_ignored(router_client: httpx.AsyncClient, date: str) -> None:
    assert (await router_client.get("/dated", headers={"If-Modified-Since": date})).text == "null"


def test_asterisk_with_spaces_matches_any_version() -> None:
    assert parse_tags(" * ") == Tags(None)
