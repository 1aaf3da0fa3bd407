"""Header fields of every response, and pages of other origins (CORS)."""

import base64
import hashlib

import httpx
import pytest
from pydantic import ValidationError

from millrace_platform.headers import page_headers
from millrace_platform.settings import PlatformSettings

from .conftest import ClientFactory
from .connections import served

PAGE = "https://app.example"
OTHER = "https://evil.example"
RESPONSES = [
    ("GET", "/v1/items/1", 200),
    ("HEAD", "/v1/items/1", 200),
    ("GET", "/v1/stream", 200),
    ("GET", "/healthz", 200),
    ("GET", "/readyz", 200),
    ("GET", "/openapi.json", 200),
    ("GET", "/nowhere", 404),
    ("DELETE", "/v1/items/1", 405),
    ("TRACE", "/v1/items/1", 405),
    ("GET", "/v1/error", 500),
    ("GET", "/v1/down", 503),
]


@pytest.mark.parametrize(("method", "path", "status"), RESPONSES)
async def test_every_response_forbids_sniffing_embedding_and_caching(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await client.request(method, path)
    assert response.status_code == status
    assert response.headers.get_list("x-content-type-options") == ["nosniff"]
    assert response.headers.get_list("cache-control") == ["no-store"]
    assert response.headers.get_list("referrer-policy") == ["no-referrer"]
    [policy] = response.headers.get_list("content-security-policy")
    assert policy.split("; ") == [
        "default-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
        "sandbox",
    ]


async def test_malformed_http_gets_the_same_headers() -> None:
    async with served() as service, service.connect() as connection:
        connection.send(b"NONSENSE\r\n\r\n")
        head = (await connection.read_to_end()).partition(b"\r\n\r\n")[0]
    for field in (
        b"x-content-type-options: nosniff",
        b"cache-control: no-store",
        b"content-security-policy: ",
        b"referrer-policy: no-referrer",
    ):
        assert field in head


async def test_cache_control_of_an_endpoint_replaces_the_default(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/public")).headers.get_list("cache-control") == ["public, max-age=60"]


async def test_strict_transport_security_is_sent_over_https_only(client: httpx.AsyncClient) -> None:
    plain = await client.get("/v1/items/1")
    secure = await client.get("/v1/items/1", headers={"x-forwarded-proto": "https"})
    assert "strict-transport-security" not in plain.headers
    assert secure.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


def test_page_may_run_its_own_scripts_only() -> None:
    script, style = "const a = 1 < 2", "p { margin: 0 }"
    policy = page_headers(f"<style>{style}</style><p>x</p><script>{script}</script>")["Content-Security-Policy"]
    for kind, text in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'self' 'sha256-{digest}'" in policy
    assert "unsafe-inline" not in policy
    for directive in ("frame-ancestors", "base-uri", "object-src"):
        assert f"{directive} 'none'" in policy


def preflight_headers(origin: str) -> dict[str, str]:
    return {
        "origin": origin,
        "access-control-request-method": "PUT",
        "access-control-request-headers": "authorization,if-match",
    }


def cors_headers(response: httpx.Response) -> list[str]:
    return [name for name in response.headers if name.startswith("access-control-")]


async def test_no_other_origin_may_read_responses_by_default(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/items/1", headers={"origin": PAGE})
    preflight = await client.options("/v1/items/1", headers=preflight_headers(PAGE))
    assert cors_headers(response) == cors_headers(preflight) == []
    assert preflight.status_code == 405


async def test_permitted_origin_may_read_responses_and_problems(open_client: ClientFactory) -> None:
    async with open_client(cors_origins=[PAGE]) as client:
        for path in ("/v1/items/1", "/nowhere", "/v1/down"):
            response = await client.get(path, headers={"origin": PAGE})
            assert response.headers["access-control-allow-origin"] == PAGE
            assert response.headers["vary"] == "Origin"
            assert "ETag" in response.headers["access-control-expose-headers"]
            assert "access-control-allow-credentials" not in response.headers


async def test_preflight_of_a_permitted_origin_allows_methods_and_headers(open_client: ClientFactory) -> None:
    async with open_client(cors_origins=[PAGE]) as client:
        preflight = await client.options("/v1/items/1", headers=preflight_headers(PAGE))
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == PAGE
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    assert {"Authorization", "If-Match"} <= {*preflight.headers["access-control-allow-headers"].split(", ")}


@pytest.mark.parametrize("origin", [OTHER, "null", f"{PAGE}.evil.example", "http://app.example", f"{PAGE}:8443"])
async def test_other_origins_get_no_permission(open_client: ClientFactory, origin: str) -> None:
    async with open_client(cors_origins=[PAGE]) as client:
        response = await client.get("/v1/items/1", headers={"origin": origin})
        preflight = await client.options("/v1/items/1", headers=preflight_headers(origin))
    assert cors_headers(response) == cors_headers(preflight) == []
    assert response.headers["vary"] == "Origin"


@pytest.mark.parametrize("origin", ["*", "null", f"{PAGE}/", "app.example", "https://App.example", f"{PAGE}/path"])
def test_setting_takes_origins_only(origin: str) -> None:
    with pytest.raises(ValidationError):
        PlatformSettings(cors_origins=(origin,))
