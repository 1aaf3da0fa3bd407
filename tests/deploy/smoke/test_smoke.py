"""Smoke test of a deployed platform at `MILLRACE_SMOKE_URL`, run by the pipeline after a deployment."""

import os
from collections.abc import Iterator

import httpx
import pytest

URL = os.environ.get("MILLRACE_SMOKE_URL")
pytestmark = pytest.mark.skipif(URL is None, reason="MILLRACE_SMOKE_URL names no deployed platform")


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(base_url=URL or "", timeout=10) as opened:
        yield opened


def test_search_results_have_provider_pages(client: httpx.Client) -> None:
    found = client.get("/v1/search", params={"specialty": "family-medicine", "near": "10001", "radius_mi": 100})
    assert found.status_code == 200
    for result in found.json()["results"][:3]:
        assert client.get(f"/v1/providers/{result['provider']['npi']}").status_code == 200


@pytest.mark.parametrize("path", ["/v1/specialties", "/v1/visit-reasons", "/v1/insurance-plans", "/v1/suggest?q=derm"])
def test_public_reads_of_each_service_respond(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/v1/patients/me", "/v1/appointments", "/v1/webhooks"])
def test_private_routes_require_a_token(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code in {401, 404, 405}


@pytest.mark.parametrize("path", ["/internal/refinery/status", "/internal/patients/status", "/healthz"])
def test_internal_routes_are_not_public(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404
