"""A deployed platform from outside, at `MILLRACE_SMOKE_URL`: run by the pipeline after a deployment."""

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


def test_a_search_is_answered_with_cards_of_which_each_has_a_page(client: httpx.Client) -> None:
    found = client.get("/v1/search", params={"specialty": "family-medicine", "near": "10001", "radius_mi": 100})
    assert found.status_code == 200
    for result in found.json()["results"][:3]:
        assert client.get(f"/v1/providers/{result['provider']['npi']}").status_code == 200


@pytest.mark.parametrize("path", ["/v1/specialties", "/v1/visit-reasons", "/v1/insurance-plans", "/v1/suggest?q=derm"])
def test_each_service_of_the_public_reads_answers(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/v1/patients/me", "/v1/appointments", "/v1/webhooks"])
def test_what_is_private_asks_who_is_there(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code in {401, 404, 405}


@pytest.mark.parametrize("path", ["/internal/refinery/status", "/internal/patients/status", "/healthz"])
def test_what_is_internal_is_not_there(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404
