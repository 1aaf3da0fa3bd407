"""Callers that `/internal` endpoints admit."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from millrace_platform.application import ServiceRuntime
from millrace_platform.authentication import Verifier
from millrace_platform.internal import for_operators, for_services
from millrace_platform.service_tokens import OPERATOR, CallPurpose, ServiceTokenSigner, ServiceTokenVerifier
from millrace_platform.testing import ManualClock

from .conftest import create_app_with
from .test_authentication import clock, issuer, token, verifier

__all__ = ["clock", "issuer", "verifier"]

KEYS = {OPERATOR: ["o" * 32], "notifications": ["n" * 32], "scheduling": ["s" * 32]}
CONTACTS, STATUS = "/internal/sample/contacts", "/internal/sample/status"

router = APIRouter(prefix="/internal/sample")


@router.post("/contacts", dependencies=[for_services(CallPurpose.CONTACTS, "notifications")])
async def contacts(number: int) -> None: ...


@router.get("/status", dependencies=[for_operators(CallPurpose.STATUS)])
async def status() -> None: ...


@pytest.fixture
def app(verifier: Verifier, clock: ManualClock) -> FastAPI:
    app = create_app_with(ServiceRuntime(), router)
    app.state.verifier = verifier
    app.state.service_tokens = ServiceTokenVerifier("sample", KEYS, clock)
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


def signed(clock: ManualClock, caller: str, purpose: CallPurpose, audience: str = "sample") -> dict[str, str]:
    return ServiceTokenSigner(caller, audience, KEYS[caller][0], clock).headers(purpose)


def bearer(*groups: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(groups=list(groups))}"}


async def statuses(client: httpx.AsyncClient, headers: dict[str, str]) -> tuple[int, int]:
    """Return the statuses of a request to the endpoint for services and one to the endpoint for operators."""
    contact = await client.post(CONTACTS, params={"number": 1}, headers=headers)
    return contact.status_code, (await client.get(STATUS, headers=headers)).status_code


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer x"}], ids=str)
async def test_request_without_a_valid_token_is_unauthenticated(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    assert await statuses(client, headers) == (401, 401)


async def test_service_is_admitted_for_its_own_purpose_only(client: httpx.AsyncClient, clock: ManualClock) -> None:
    assert await statuses(client, signed(clock, "notifications", CallPurpose.CONTACTS)) == (200, 403)
    assert await statuses(client, signed(clock, "notifications", CallPurpose.STATUS)) == (403, 403)
    assert await statuses(client, signed(clock, "scheduling", CallPurpose.CONTACTS)) == (403, 403)


async def test_commands_of_one_machine_are_operators(client: httpx.AsyncClient, clock: ManualClock) -> None:
    assert await statuses(client, signed(clock, OPERATOR, CallPurpose.STATUS)) == (403, 200)
    assert await statuses(client, signed(clock, OPERATOR, CallPurpose.CONTACTS)) == (403, 403)


async def test_admin_is_an_operator_and_other_people_are_not(client: httpx.AsyncClient) -> None:
    assert await statuses(client, bearer("admin")) == (403, 200)
    for groups in ((), ("staff",), ("support",)):
        assert await statuses(client, bearer(*groups)) == (403, 403)


async def test_token_for_another_service_or_of_the_past_is_unauthenticated(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    assert await statuses(client, signed(clock, "notifications", CallPurpose.CONTACTS, "directory")) == (401, 401)
    headers = signed(clock, "notifications", CallPurpose.CONTACTS)
    clock.advance(minutes=1)
    assert await statuses(client, headers) == (401, 401)


async def test_refusal_says_what_to_do(client: httpx.AsyncClient, clock: ManualClock) -> None:
    refused = (await client.get(STATUS)).json()
    assert refused["detail"] == (
        "Internal paths require a token. Send a service's token or an admin's as `Authorization: Bearer …`."
    )
    refused = (await client.get(STATUS, headers=signed(clock, "scheduling", CallPurpose.STATUS))).json()
    assert refused["detail"] == "The token is for other requests. Sign it for the purpose of this endpoint."


def test_document_describes_refusals(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    for operation in (paths[CONTACTS]["post"], paths[STATUS]["get"]):
        assert {"401", "403", "503"} <= operation["responses"].keys()


async def test_caller_is_checked_before_the_request_is_read(client: httpx.AsyncClient) -> None:
    assert (await client.post(CONTACTS, params={"number": "x"})).status_code == 401


@pytest.mark.parametrize("path", ["/internal/sample/open", "/internal/sample/{thing_id}/open"])
def test_application_with_an_open_internal_endpoint_is_not_created(path: str) -> None:
    open_router = APIRouter()

    @open_router.get(path)
    async def forgotten() -> None: ...

    with pytest.raises(ValueError, match="don't check their callers: /internal/sample/"):
        create_app_with(ServiceRuntime(), open_router)
