"""The edge over HTTP, as a client and a service see it."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from .conftest import Running

SECONDS = 10.0


async def test_path_query_and_body_arrive_unchanged(client: httpx.AsyncClient) -> None:
    target = "/v1/directory/a%2Fb/%C3%A9?q=%20x&q=y+z"
    seen = (await client.post(target, content=b"body", headers={"content-type": "text/plain"})).json()
    assert (seen["method"], seen["target"], seen["body"]) == ("POST", target, "body")


async def test_service_gets_the_client_address_and_no_other_new_fields(
    client: httpx.AsyncClient, edge: Running
) -> None:
    headers = {"host": "millrace.example", "connection": "close, x-mine", "x-mine": "1", "user-agent": ""}
    seen = dict((await client.get("/v1/search", headers=headers)).json()["headers"])
    assert seen["host"] == "millrace.example"
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "http"
    assert seen["x-forwarded-port"] == str(edge.port)
    assert "x-mine" not in seen
    assert "content-type" not in seen


async def test_repeated_response_fields_stay_repeated(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/search")
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert len(response.headers.get_list("date")) == 1


async def test_head_response_has_no_body(client: httpx.AsyncClient) -> None:
    response = await client.head("/v1/search")
    assert (response.status_code, response.content) == (200, b"")


async def test_upload_arrives_when_it_is_complete(client: httpx.AsyncClient, edge: Running) -> None:
    arrived_early = True

    async def body() -> AsyncIterator[bytes]:
        nonlocal arrived_early
        yield b"x" * 100_000
        await client.get("/v1/search")  # which the service gets after the first part was sent
        arrived_early = edge.upstream.uploading.is_set()
        yield b"y" * 100_000

    assert (await client.put("/v1/directory/upload", content=body())).text == "200000"
    assert not arrived_early


async def test_response_is_streamed(client: httpx.AsyncClient, edge: Running) -> None:
    async with client.stream("GET", "/v1/directory/stream") as response:
        chunks = response.aiter_bytes()
        assert await anext(chunks) == b"first"
        edge.upstream.proceed.set()
        assert await anext(chunks) == b"second"


async def test_disconnect_during_the_response_reaches_the_service(edge: Running) -> None:
    async with httpx.AsyncClient(base_url=edge.url) as client, client.stream("GET", "/v1/directory/stream") as response:
        assert await anext(response.aiter_bytes()) == b"first"
    await asyncio.wait_for(edge.upstream.gone.wait(), SECONDS)


async def test_interrupted_response_is_interrupted_for_the_client(client: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/v1/directory/break")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/reviews", 503),
        ("GET", "/internal/directory/status", 404),
        ("POST", "/internal/directory/replay", 404),
        ("GET", "/internal/reviews/status", 404),
        ("GET", "/v1/directory/break-at-once", 502),
        ("GET", "/nowhere", 404),
        ("POST", "/", 405),
        ("DELETE", "/healthz", 405),
        ("GET", "/docs/assets/nothing.js", 404),
        ("POST", "/docs/assets/favicon.png", 405),
    ],
)
async def test_errors_of_the_edge_are_problems(client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    response = await client.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert ("allow" in response.headers) == (status == 405)


async def test_own_pages_have_head(client: httpx.AsyncClient) -> None:
    for path in ("/", "/docs", "/openapi.json", "/docs/assets/favicon.png"):
        head, get = await client.head(path), await client.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.parametrize(
    "request_bytes", [b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\nbad header\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
)
async def test_malformed_http_gets_a_problem(edge: Running, request_bytes: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(request_bytes)
    head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head
    assert json.loads(body)["request_id"].encode() in head


async def test_health_requires_start_and_every_service(client: httpx.AsyncClient, edge: Running) -> None:
    with_dead_service = await client.get("/healthz")
    edge.ready_file.unlink()
    starting = await client.get("/healthz")
    assert (with_dead_service.status_code, starting.status_code) == (503, 503)
    assert with_dead_service.json()["detail"] == "These services are not ready: reviews. Try again later."
    assert starting.json()["detail"] == "The platform is starting. Try again later."


async def test_documentation_loads_no_external_resources(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert "https://" not in page.text
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert f"/docs/assets/{asset}" in page.text
        assert (await client.get(f"/docs/assets/{asset}")).status_code == 200


async def test_pages_run_only_their_own_scripts(client: httpx.AsyncClient) -> None:
    for path in ("/", "/docs"):
        page = await client.get(path)
        policy = dict(each.split(" ", 1) for each in page.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"].startswith("'self' 'sha256-")
        assert "unsafe" not in policy["script-src"]
        assert page.text.count("<script>") == 1
        assert page.headers["referrer-policy"] == "no-referrer"
        assert " onclick=" not in page.text


@pytest.mark.parametrize(
    ("path", "cache"),
    [
        ("/", "no-cache"),
        ("/docs", "no-cache"),
        ("/docs/assets/swagger-ui.css", "no-cache"),
        ("/openapi.json", "no-store"),
        ("/healthz", "no-store"),
        ("/nowhere", "no-store"),
    ],
)
async def test_responses_of_the_edge_say_how_to_store_and_read_them(
    client: httpx.AsyncClient, path: str, cache: str
) -> None:
    response = await client.get(path)
    assert response.headers.get_list("cache-control") == [cache]
    assert response.headers.get_list("x-content-type-options") == ["nosniff"]
    assert "content-security-policy" in response.headers
    assert response.headers.get_list("referrer-policy") == ["no-referrer"]


async def test_document_merges_available_services(client: httpx.AsyncClient) -> None:
    assert list((await client.get("/openapi.json")).json()["paths"]) == ["/v1/directory/providers"]


async def test_concurrent_requests(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.get("/v1/search", params={"n": n}) for n in range(80)))
    assert [answer.json()["target"] for answer in answers] == [f"/v1/search?n={n}" for n in range(80)]
