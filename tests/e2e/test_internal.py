"""Every `/internal` endpoint of every service refuses callers that it doesn't admit, and no load balancer routes it."""

import re
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from millrace_local.routes import SERVICES
from millrace_platform.service_tokens import OPERATOR, CallPurpose, operator_headers
from tests.support.operations import METHODS
from tests.support.platform import Platform

FOR_SERVICES = {
    "GET /internal/patients/outbox",
    "DELETE /internal/patients/outbox/{mail_id}",
    "POST /internal/patients/contacts",
    "GET /internal/patients/{patient_id}/booking-permissions",
}
"""Endpoints that no operator may call."""


@pytest.fixture(scope="module")
def tokens(platform: Platform) -> dict[str, dict[str, str]]:
    """Return headers with a valid access token of each role."""
    practices = {"staff": [str(uuid4())]}
    return {
        role: platform.token(role, practices=practices.get(role, ()))
        for role in ("patient", "staff", "support", "admin")
    }


def internal_operations(url: str) -> Iterator[tuple[str, str]]:
    """Yield the method and path of each internal endpoint in the service's OpenAPI document."""
    document = httpx.get(f"{url}/openapi.json", timeout=30).raise_for_status().json()
    for path, item in document["paths"].items():
        if path.startswith("/internal/"):
            yield from ((method.upper(), path) for method in item if method in METHODS)


@pytest.mark.parametrize("service", SERVICES)
def test_internal_endpoints_admit_operators_and_named_services_only(
    platform: Platform, tokens: dict[str, dict[str, str]], service: str
) -> None:
    variables = platform.variables
    url = variables[f"MILLRACE_{service.upper()}_URL"]
    operations = list(internal_operations(url))
    assert ("GET", f"/internal/{service}/status") in operations
    with httpx.Client(base_url=url, timeout=60) as http:
        for method, template in operations:
            path = re.sub(r"{\w+}", lambda _: str(uuid4()), template)

            def status(headers: dict[str, str], method: str = method, path: str = path) -> int:
                return http.request(method, path, headers=headers).status_code

            assert status({}) == status({"Authorization": "Bearer x"}) == 401, template
            assert {status(tokens[role]) for role in ("patient", "staff", "support")} == {403}, template
            other = next(name for name in SERVICES if name != service)
            assert status(operator_headers(variables, other, CallPurpose.STATUS)) == 401, template
            wrong = CallPurpose.CONTACTS  # no purpose of an operator
            assert status(operator_headers(variables, service, wrong)) == 403, template
            if f"{method} {template}" in FOR_SERVICES:
                assert status(tokens["admin"]) == 403, template
            elif method == "GET":
                assert status(tokens["admin"]) == 200, template


def test_operators_have_a_key_of_their_own_for_each_service(platform: Platform) -> None:
    keys = [platform.variables[f"MILLRACE_{OPERATOR}_{service}_KEYS".upper()] for service in SERVICES]
    assert len(set(keys)) == len(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_public_address_has_no_internal_paths(
    platform: Platform, tokens: dict[str, dict[str, str]], service: str
) -> None:
    with httpx.Client(base_url=platform.url, timeout=30) as http:
        for path in (f"/internal/{service}/status", f"//internal/{service}/status", f"/%69nternal/{service}/status"):
            assert http.get(path, headers=tokens["admin"]).status_code == 404, path
        assert not any(path.startswith("/internal") for path in http.get("/openapi.json").json()["paths"])


@pytest.mark.parametrize("service", SERVICES)
def test_services_refuse_other_hosts(platform: Platform, service: str) -> None:
    url = platform.variables[f"MILLRACE_{service.upper()}_URL"]
    strange = {"Host": "attacker.example"}
    assert httpx.get(f"{url}/openapi.json", headers=strange, timeout=30).status_code == 421
    assert httpx.get(f"{url}/healthz", headers=strange, timeout=30).status_code == 200
