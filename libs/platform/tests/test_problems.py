"""Every error response is a problem (RFC 9457) without internal details; request ids and HEAD."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from .conftest import ClientFactory
from .sample_service import SECRET


def problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    members: dict[str, Any] = response.json()
    assert members["status"] == status
    assert members["type"] == f"urn:millrace:problem:{slug}"
    assert members["title"]
    assert members["request_id"] == response.headers["x-request-id"]
    return members


async def test_unknown_path_is_not_found(client: httpx.AsyncClient) -> None:
    problem(await client.get("/nowhere"), 404, "not-found")


async def test_path_with_trailing_slash_is_not_found(client: httpx.AsyncClient) -> None:
    problem(await client.get("/v1/items/1/"), 404, "not-found")


async def test_allow_header_lists_methods_of_all_routes_of_the_path(client: httpx.AsyncClient) -> None:
    response = await client.delete("/v1/items/1")
    problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "GET, HEAD, PUT"


async def test_content_length_over_the_limit_is_rejected(open_client: ClientFactory) -> None:
    async with open_client(body_limit=10) as client:
        assert (await client.post("/v1/bytes", content=b"x" * 10)).json() == 10
        problem(await client.post("/v1/bytes", content=b"x" * 11), 413, "body-too-large")


async def test_chunked_body_is_rejected_as_soon_as_it_exceeds_the_limit(open_client: ClientFactory) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1_000):
            sent += 4
            yield b"1234"

    async with open_client(body_limit=10) as client:
        response = await client.post("/v1/bytes", content=chunks())
    problem(response, 413, "body-too-large")
    assert sent == 12


async def test_json_body_over_the_limit_is_not_reported_as_invalid_json(open_client: ClientFactory) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"count": 1'
        yield b" " * 100

    async with open_client(body_limit=50) as client:
        headers = {"content-type": "application/json"}
        problem(await client.put("/v1/items/1", content=chunks(), headers=headers), 413, "body-too-large")


async def test_negative_content_length_is_rejected(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/bytes", content=b"x", headers={"content-length": "-1"})
    problem(response, 400, "bad-request")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
async def test_body_of_other_media_type_is_rejected(client: httpx.AsyncClient, media_type: str) -> None:
    response = await client.put("/v1/items/1", content=b'{"count": 1}', headers={"content-type": media_type})
    problem(response, 415, "unsupported-media-type")
    assert response.headers["accept"] == "application/json"


async def test_each_invalid_field_is_reported_with_a_remedy(client: httpx.AsyncClient) -> None:
    body = {"count": 0, "addresses": [{"zip": "02139"}, {"zip": "x"}], "colour": "red"}
    members = problem(await client.put("/v1/items/1", json=body), 422, "invalid-request")
    assert [(error["field"], error["remedy"]) for error in members["errors"]] == [
        ("count", "Give 1 or more."),
        ("addresses[1].zip", "Give five digits."),
        ("colour", "Remove it."),
    ]
    assert all(error["detail"] for error in members["errors"])


async def test_invalid_query_parameter_is_reported(client: httpx.AsyncClient) -> None:
    members = problem(await client.get("/v1/items/1", params={"limit": "101"}), 422, "invalid-request")
    assert members["errors"] == [{"field": "limit", "detail": "The value is too large.", "remedy": "Give 100 or less."}]


async def test_invalid_json_is_an_error_of_the_body(client: httpx.AsyncClient) -> None:
    response = await client.put("/v1/items/1", content=b"{", headers={"content-type": "application/json"})
    (error,) = problem(response, 422, "invalid-request")["errors"]
    assert error["field"] == "body"
    assert error["remedy"] == "Send well-formed JSON in UTF-8."


async def test_invalid_utf8_is_an_error_of_the_body(client: httpx.AsyncClient) -> None:
    response = await client.put("/v1/items/1", content=b"\xff\xfe{", headers={"content-type": "application/json"})
    (error,) = problem(response, 422, "invalid-request")["errors"]
    assert error["field"] == "body"
    assert "UTF-8" in error["remedy"]


async def test_missing_body_is_an_error_of_the_body(client: httpx.AsyncClient) -> None:
    (error,) = problem(await client.put("/v1/items/1"), 422, "invalid-request")["errors"]
    assert error == {"field": "body", "detail": "The field is required.", "remedy": "Add it."}


async def test_too_deeply_nested_json_is_an_error_of_the_body(client: httpx.AsyncClient) -> None:
    response = await client.put("/v1/items/1", content=b"[" * 200_000, headers={"content-type": "application/json"})
    (error,) = problem(response, 422, "invalid-request")["errors"]
    assert error["field"] == "body"


@pytest.mark.parametrize(
    "body", [b'{"count": 1, "\\ud800": 1}', b'{"count": "\\udfff"}', b'["a", "\\ud800"]', b'"\\ud800"']
)
async def test_text_that_is_not_unicode_is_rejected(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.put("/v1/items/1", content=body, headers={"content-type": "application/json"})
    (error,) = problem(response, 422, "invalid-request")["errors"]
    assert error["field"] in ("body", "count", "[1]")
    assert error["detail"] == "The text is not valid Unicode."


async def test_number_of_thousands_of_digits_is_an_error_of_the_body(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    response = await client.put("/v1/items/1", content=b'{"count": ' + b"9" * 5_000 + b"}", headers=headers)
    (error,) = problem(response, 422, "invalid-request")["errors"]
    assert error["field"] == "body"


async def test_invalid_values_are_not_repeated(client: httpx.AsyncClient) -> None:
    response = await client.put("/v1/items/1", json={"count": SECRET, "addresses": SECRET})
    problem(response, 422, "invalid-request")
    assert SECRET not in response.text


async def test_too_large_header_is_rejected(open_client: ClientFactory) -> None:
    async with open_client(head_limit=1_024) as client:
        problem(await client.get("/v1/items/1", headers={"x-much": "x" * 1_024}), 431, "header-too-large")


async def test_too_many_header_fields_are_rejected(open_client: ClientFactory) -> None:
    async with open_client(header_count_limit=10) as client:
        response = await client.get("/v1/items/1", headers={f"x-{number}": "1" for number in range(10)})
        problem(response, 431, "header-too-large")


async def test_too_long_target_is_rejected(open_client: ClientFactory) -> None:
    async with open_client(head_limit=1_024) as client:
        problem(await client.get("/v1/items/" + "x" * 1_100), 414, "target-too-long")


async def test_unhandled_exception_is_logged_but_not_shown(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    response = await client.get("/v1/error")
    members = problem(response, 500, "internal")
    assert set(members) == {"type", "title", "status", "request_id"}
    assert SECRET not in response.text
    assert "ValueError" not in response.text
    (logged,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert logged.exc_info is not None and isinstance(logged.exc_info[1], ValueError)


async def test_raised_problem_is_the_response(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/v1/conflict"), 409, "conflict")["detail"] == "The slot is taken."


async def test_unavailable_store_is_503(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/down")
    problem(response, 503, "unavailable")
    assert int(response.headers["retry-after"]) > 0


async def test_slow_request_times_out(open_client: ClientFactory) -> None:
    async with open_client(request_timeout=0.01) as client:
        problem(await client.get("/v1/forever"), 504, "timed-out")


async def test_body_that_does_not_arrive_is_408(open_client: ClientFactory) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    async with open_client(request_timeout=0.01) as client:
        problem(await client.post("/v1/bytes", content=chunks()), 408, "request-incomplete")


async def test_endpoint_may_move_its_deadline(open_client: ClientFactory) -> None:
    async with open_client(request_timeout=3_600) as client:
        problem(await client.get("/v1/short-deadline"), 504, "timed-out")


@pytest.fixture
def endless_body() -> tuple[asyncio.Event, AsyncIterator[bytes]]:
    """Return a body that never arrives, and an event that is set when the application waits for it."""
    started = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        started.set()
        await asyncio.Event().wait()
        yield b""

    return started, body()


async def test_request_cancelled_by_shutdown_is_503(
    client: httpx.AsyncClient, endless_body: tuple[asyncio.Event, AsyncIterator[bytes]]
) -> None:
    started, body = endless_body
    pending = asyncio.create_task(client.post("/v1/bytes", content=body))
    await started.wait()
    pending.cancel()
    assert problem(await pending, 503, "unavailable")["detail"] == "The service is shutting down. Retry later."


@pytest.mark.parametrize("sent", ["abc-123", "A" * 128, "01a1fcf4-a204-76da-a7e4-de0d92e6c786"])
async def test_valid_request_id_is_used(client: httpx.AsyncClient, sent: str) -> None:
    assert (await client.get("/v1/items/1", headers={"x-request-id": sent})).headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", ["", "A" * 129, "a b", 'a"b', "jane@example.org", "a\tb"])
async def test_invalid_request_id_is_replaced(client: httpx.AsyncClient, sent: str) -> None:
    generated = (await client.get("/v1/items/1", headers={"x-request-id": sent})).headers["x-request-id"]
    assert generated != sent
    assert len(generated) == 36


async def test_head_is_get_without_a_body(client: httpx.AsyncClient) -> None:
    response = await client.head("/v1/items/1")
    assert response.status_code == 200
    assert response.headers["content-length"] == str(len(b'{"key":"1"}'))
    assert response.content == b""
