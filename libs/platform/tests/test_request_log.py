"""The log line of a request: who called, and which requests have none."""

import logging
from collections.abc import Mapping
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI

from millrace_platform.application import ServiceRuntime
from millrace_platform.authentication import Principal, Role, Verifier, require
from millrace_platform.internal import for_services
from millrace_platform.service_tokens import CallPurpose
from millrace_platform.settings import CallerKeys, PlatformSettings
from millrace_platform.testing import run_app

from . import sample_service
from .conftest import create_app_with
from .test_authentication import clock, issuer, token, verifier

__all__ = ["clock", "issuer", "verifier"]

router = APIRouter()


@router.get("/v1/mine")
async def mine(_: Annotated[Principal, Depends(require(Role.STAFF, Role.ADMIN))]) -> None: ...


@router.get("/internal/sample/work", dependencies=[for_services(CallPurpose.CONTACTS, "notifications")])
async def work() -> None: ...


@router.get("/v1/work")
async def public_work() -> None: ...


@pytest.fixture
def app(verifier: Verifier) -> FastAPI:
    app = create_app_with(ServiceRuntime(), router, sample_service.router)
    app.state.verifier = verifier
    return app


class _Settings(PlatformSettings):
    notifications_sample_keys: CallerKeys = ()


async def lines(
    app: FastAPI,
    caplog: pytest.LogCaptureFixture,
    path: str,
    *,
    level: int = logging.INFO,
    headers: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    caplog.set_level(level, "millrace.request")
    async with run_app(app) as client:
        await client.get(path, headers=headers)
    return [vars(record) for record in caplog.records if record.name == "millrace.request"]


async def test_line_names_the_role_and_not_the_person(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    sent = token(groups=["staff", "admin"])
    (line,) = await lines(app, caplog, "/v1/mine", headers={"Authorization": f"Bearer {sent}"})
    assert (line["status"], line["caller"]) == (200, "admin,staff")


async def test_refused_caller_is_named_by_role(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    (line,) = await lines(app, caplog, "/v1/mine", headers={"Authorization": f"Bearer {token()}"})
    assert (line["status"], line["caller"]) == (403, "patient")


async def test_line_names_the_authenticated_service(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app_with(ServiceRuntime(), router, settings=_Settings())
    (line,) = await lines(app, caplog, "/internal/sample/work")
    assert (line["status"], line["caller"]) == (200, "notifications")


@pytest.mark.parametrize(
    ("path", "agent"),
    [
        ("/v1/work", "millrace-notifications"),
        ("/internal/sample/unknown", "millrace-notifications"),
        ("/v1/work", "curl/8"),
    ],
)
async def test_other_user_agents_are_not_logged(
    app: FastAPI, caplog: pytest.LogCaptureFixture, path: str, agent: str
) -> None:
    (line,) = await lines(app, caplog, path, headers={"User-Agent": agent})
    assert line["caller"] == "anonymous"


async def test_probe_is_logged_for_debugging_only(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    assert await lines(app, caplog, "/readyz") == []
    (line,) = await lines(app, caplog, "/readyz", level=logging.DEBUG)
    assert line["route"] == "/readyz"


async def test_long_poll_is_logged_for_debugging_only(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    assert await lines(app, caplog, "/v1/poll") == []
    (line,) = await lines(app, caplog, "/v1/poll", level=logging.DEBUG)
    assert line["long"] == "poll"


async def test_failed_long_poll_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = await lines(sample_service.create_with(PlatformSettings()), caplog, "/v1/poll-down")
    assert line["status"] == 503


async def test_end_of_a_stream_is_logged(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    (line,) = await lines(app, caplog, "/v1/stream")
    assert line["long"] == "stream"
