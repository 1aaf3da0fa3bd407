"""Whatever goes wrong reaches the caller as a problem (RFC 9457) that tells what to do and nothing of the inside."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from .conftest import ClientFactory
from .sample_service import SECRET


def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    members: dict[str, Any] = answer.json()
    assert members["status"] == status
    assert members["type"] == f"urn:millrace:problem:{slug}"
    assert members["title"]
    assert members["request_id"] == answer.headers["x-request-id"]
    return members


async def test_unknown_path(client: httpx.AsyncClient) -> None:
    problem(await client.get("/nowhere"), 404, "not-found")


async def test_trailing_slash_is_another_path(client: httpx.AsyncClient) -> None:
    problem(await client.get("/v1/items/1/"), 404, "not-found")


async def test_unknown_method_names_all_methods_of_all_routes_at_the_path(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/v1/items/1")
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, HEAD, PUT"


async def test_announced_body_over_the_limit(client_with: ClientFactory) -> None:
    async with client_with(body_limit=10) as client:
        assert (await client.post("/v1/bytes", content=b"x" * 10)).json() == 10
        problem(await client.post("/v1/bytes", content=b"x" * 11), 413, "body-too-large")


async def test_chunked_body_is_refused_where_it_exceeds_the_limit(client_with: ClientFactory) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1_000):
            sent += 4
            yield b"1234"

    async with client_with(body_limit=10) as client:
        answer = await client.post("/v1/bytes", content=chunks())
    problem(answer, 413, "body-too-large")
    assert sent == 12


async def test_json_body_over_the_limit_is_not_taken_for_bad_json(client_with: ClientFactory) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"count": 1'
        yield b" " * 100

    async with client_with(body_limit=50) as client:
        headers = {"content-type": "application/json"}
        problem(await client.put("/v1/items/1", content=chunks(), headers=headers), 413, "body-too-large")


async def test_length_that_is_no_number(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/bytes", content=b"x", headers={"content-length": "-1"})
    problem(answer, 400, "bad-request")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
async def test_body_of_another_media_type(client: httpx.AsyncClient, media_type: str) -> None:
    answer = await client.put("/v1/items/1", content=b'{"count": 1}', headers={"content-type": media_type})
    problem(answer, 415, "unsupported-media-type")
    assert answer.headers["accept"] == "application/json"


async def test_each_invalid_field_is_named_with_its_remedy(client: httpx.AsyncClient) -> None:
    body = {"count": 0, "addresses": [{"zip": "02139"}, {"zip": "x"}], "colour": "red"}
    members = problem(await client.put("/v1/items/1", json=body), 422, "invalid-request")
    assert [(error["field"], error["remedy"]) for error in members["errors"]] == [
        ("count", "Give 1 or more."),
        ("addresses[1].zip", "Match the pattern ^[0-9]{5}$."),
        ("colour", "Leave it out; it has no meaning here."),
    ]
    assert all(error["detail"] for error in members["errors"])


async def test_invalid_query_is_named(client: httpx.AsyncClient) -> None:
    members = problem(await client.get("/v1/items/1", params={"limit": "101"}), 422, "invalid-request")
    assert members["errors"] == [
        {
            "field": "limit",
            "detail": "Input should be less than or equal to 100",
            "remedy": "Give 100 or less.",
        }
    ]


async def test_broken_json_is_named_as_the_body(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v1/items/1", content=b"{", headers={"content-type": "application/json"})
    (error,) = problem(answer, 422, "invalid-request")["errors"]
    assert error["field"] == "body"
    assert error["remedy"] == "Send well-formed JSON in UTF-8."


async def test_a_body_that_is_no_utf8_is_named_as_the_body(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v1/items/1", content=b"\xff\xfe{", headers={"content-type": "application/json"})
    (error,) = problem(answer, 422, "invalid-request")["errors"]
    assert error["field"] == "body"
    assert "UTF-8" in error["remedy"]


async def test_missing_body_is_named_as_the_body(client: httpx.AsyncClient) -> None:
    (error,) = problem(await client.put("/v1/items/1"), 422, "invalid-request")["errors"]
    assert error == {"field": "body", "detail": "Field required", "remedy": "Add it."}


async def test_json_nested_without_end(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v1/items/1", content=b"[" * 200_000, headers={"content-type": "application/json"})
    (error,) = problem(answer, 422, "invalid-request")["errors"]
    assert error["field"] == "body"


async def test_values_are_not_repeated(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v1/items/1", json={"count": SECRET, "addresses": SECRET})
    problem(answer, 422, "invalid-request")
    assert SECRET not in answer.text


async def test_header_too_large(client_with: ClientFactory) -> None:
    async with client_with(head_limit=1_024) as client:
        problem(await client.get("/v1/items/1", headers={"x-much": "x" * 1_024}), 431, "header-too-large")


async def test_too_many_header_fields(client_with: ClientFactory) -> None:
    async with client_with(header_count_limit=10) as client:
        answer = await client.get("/v1/items/1", headers={f"x-{number}": "1" for number in range(10)})
        problem(answer, 431, "header-too-large")


async def test_target_too_long(client_with: ClientFactory) -> None:
    async with client_with(head_limit=1_024) as client:
        problem(await client.get("/v1/items/" + "x" * 1_100), 414, "target-too-long")


async def test_unhandled_exception_tells_nothing(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    answer = await client.get("/v1/boom")
    members = problem(answer, 500, "internal")
    assert set(members) == {"type", "title", "status", "request_id"}
    assert SECRET not in answer.text
    assert "ValueError" not in answer.text
    (logged,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert logged.exc_info is not None and isinstance(logged.exc_info[1], ValueError)


async def test_problem_of_a_service(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/v1/conflict"), 409, "conflict")["detail"] == "The slot is taken."


async def test_store_that_is_down(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/down")
    problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0


async def test_request_that_takes_too_long(client_with: ClientFactory) -> None:
    async with client_with(request_timeout=0.01) as client:
        problem(await client.get("/v1/forever"), 504, "timed-out")


async def test_body_that_does_not_come(client_with: ClientFactory) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    async with client_with(request_timeout=0.01) as client:
        problem(await client.post("/v1/bytes", content=chunks()), 408, "request-incomplete")


async def test_an_endpoint_may_set_its_own_deadline(client_with: ClientFactory) -> None:
    async with client_with(request_timeout=3_600) as client:
        problem(await client.get("/v1/hurry"), 504, "timed-out")


@pytest.fixture
def endless() -> tuple[asyncio.Event, AsyncIterator[bytes]]:
    """A body that never comes, and what tells that it is waited for."""
    begun = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        begun.set()
        await asyncio.Event().wait()
        yield b""

    return begun, body()


async def test_too_many_requests_at_once(
    client_with: ClientFactory, endless: tuple[asyncio.Event, AsyncIterator[bytes]]
) -> None:
    begun, body = endless
    async with client_with(concurrency_limit=1) as client:
        held = asyncio.create_task(client.post("/v1/bytes", content=body))
        await begun.wait()
        problem(await client.get("/v1/items/1"), 503, "unavailable")
        held.cancel()


async def test_a_request_that_the_server_gives_up_at_its_end(
    client: httpx.AsyncClient, endless: tuple[asyncio.Event, AsyncIterator[bytes]]
) -> None:
    begun, body = endless
    held = asyncio.create_task(client.post("/v1/bytes", content=body))
    await begun.wait()
    held.cancel()
    assert problem(await held, 503, "unavailable")["detail"] == "The service is shutting down."


@pytest.mark.parametrize("sent", ["abc-123", "A" * 128, "01a1fcf4-a204-76da-a7e4-de0d92e6c786"])
async def test_valid_request_id_is_kept(client: httpx.AsyncClient, sent: str) -> None:
    assert (await client.get("/v1/items/1", headers={"x-request-id": sent})).headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", ["", "A" * 129, "a b", 'a"b', "jane@example.org", "a\tb"])
async def test_invalid_request_id_is_replaced(client: httpx.AsyncClient, sent: str) -> None:
    made = (await client.get("/v1/items/1", headers={"x-request-id": sent})).headers["x-request-id"]
    assert made != sent
    assert len(made) == 36


async def test_head_is_get_without_a_body(client: httpx.AsyncClient) -> None:
    answer = await client.head("/v1/items/1")
    assert answer.status_code == 200
    assert answer.headers["content-length"] == str(len(b'{"key":"1"}'))
    assert answer.content == b""
