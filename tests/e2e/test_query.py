"""Every operation of every service refuses query parameters that it doesn't accept, and repeated ones."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import httpx
import pytest

from millrace_local.routes import SERVICES
from tests.support.operations import METHODS
from tests.support.platform import Platform

UNKNOWN = "unheard_of"


@pytest.mark.parametrize("service", SERVICES)
def test_unknown_and_repeated_query_parameters_are_refused(platform: Platform, service: str) -> None:
    url = platform.variables[f"MILLRACE_{service.upper()}_URL"]
    with httpx.Client(base_url=url, timeout=30) as http:
        operations = list(_operations(http.get("/openapi.json").raise_for_status().json()))
        assert operations
        for method, path, names in operations:
            refusal = _refusal(http, method, f"{path}?{UNKNOWN}=a")
            assert refusal.keys() == {UNKNOWN}, f"{method} {path}"
            assert all(name in refusal[UNKNOWN] for name in names), f"{method} {path}: {refusal}"
            for name in names:
                repeated = _refusal(http, method, f"{path}?{name}=1&{name}=1")
                assert repeated == {name: "Give it once."}, f"{method} {path}"


def test_refusal_passes_the_edge(platform: Platform) -> None:
    with httpx.Client(base_url=platform.url, timeout=30) as http:
        assert _refusal(http, "GET", "/v1/specialties?near=10001").keys() == {"near"}


def _refusal(http: httpx.Client, method: str, url: str) -> dict[str, str]:
    """Send a request without token and body; return the remedies of its refusal by field."""
    response = http.request(method, url)
    assert response.status_code == 422, f"{method} {url}: {response.text}"
    assert response.headers["Content-Type"] == "application/problem+json"
    return {error["field"]: error["remedy"] for error in response.json()["errors"]}


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the method, a path and the query parameters that aren't lists of each operation."""
    for template, item in document["paths"].items():
        for method in METHODS & item.keys():
            assert "422" in item[method]["responses"], f"{method} {template} documents no refusal"
            parameters = item[method].get("parameters", ())
            path = template.format_map({each["name"]: str(uuid4()) for each in parameters if each["in"] == "path"})
            single = [each for each in parameters if each["in"] == "query" and each["schema"].get("type") != "array"]
            yield method.upper(), path, [each["name"] for each in single]
