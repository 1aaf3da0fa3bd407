"""`/healthz` and `/readyz` with healthy, failing and hanging checks."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
import pytest

from millrace_platform.application import ServiceRuntime
from millrace_platform.background import Background, Task
from millrace_platform.health import START_SECONDS, Check, Readiness

from .conftest import create_app_with


async def healthy() -> None:
    """Pass."""


async def failing() -> None:
    raise ConnectionError("postgres://user:password@host")


async def hanging() -> None:
    await asyncio.Event().wait()


async def get(path: str, *, checks: Mapping[str, Check], tasks: Mapping[str, Task] | None = None) -> httpx.Response:
    app = create_app_with(ServiceRuntime(tasks=tasks or {}, checks=checks), check_timeout=0.01, start_timeout=0.01)
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://s") as client:
        await app.state.background.join(timeout=5)
        return await client.get(path)


async def test_ready_when_all_checks_pass() -> None:
    response = await get("/readyz", checks={"database": healthy, "redis": healthy})
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "checks": {"database": "ok", "redis": "ok", "tasks": "ok"}}


async def test_failing_checks_are_reported_without_details() -> None:
    response = await get("/readyz", checks={"database": failing, "queue": hanging, "redis": healthy})
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == "database: failed; queue: timed out"
    assert "password" not in response.text


@dataclass
class Dependency:
    """A check that fails until it is available."""

    available: bool = False

    async def check(self) -> None:
        if not self.available:
            raise ConnectionError("not yet")


async def test_start_logs_what_is_awaited_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "millrace.health")
    database, readiness = Dependency(), Readiness(Background(), check_timeout=1)
    readiness.open({"database": database.check})
    assert [(await readiness.report())["database"] for _ in range(2)] == ["failed"] * 2
    database.available = True
    assert (await readiness.report())["database"] == "ok"
    assert [(record.levelname, record.message, record.exc_info) for record in caplog.records] == [
        ("INFO", "waiting for a check", None),
        ("INFO", "check succeeded", None),
    ]


async def test_outage_is_logged_once_with_its_error(caplog: pytest.LogCaptureFixture) -> None:
    database, readiness = Dependency(available=True), Readiness(Background(), check_timeout=1)
    readiness.open({"database": database.check})
    await readiness.report()
    database.available = False
    for _ in range(3):
        await readiness.report()
    (record,) = caplog.records
    assert (record.levelname, record.message) == ("WARNING", "check failed")
    assert record.exc_info is not None


async def test_check_that_never_succeeds_becomes_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    readiness = Readiness(Background(), check_timeout=1, clock=lambda: now[0])
    readiness.open({"database": Dependency().check})
    await readiness.report()
    assert caplog.records == []
    now[0] = START_SECONDS
    await readiness.report()
    assert [record.message for record in caplog.records] == ["check failed"]


async def test_healthz_ignores_failing_checks() -> None:
    response = await get("/healthz", checks={"database": failing})
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_not_ready_after_a_task_failed() -> None:
    response = await get("/readyz", checks={}, tasks={"relay": failing, "consumer": hanging})
    assert response.status_code == 503
    assert response.json()["detail"] == "tasks: relay failed"


async def test_not_ready_before_the_lifespan() -> None:
    transport = httpx.ASGITransport(create_app_with(ServiceRuntime()))
    async with httpx.AsyncClient(transport=transport, base_url="http://s") as client:
        assert (await client.get("/readyz")).json()["detail"] == "lifespan: starting"


async def test_service_starts_to_listen_when_all_checks_pass() -> None:
    calls = 0

    async def passing_at_the_third_call() -> None:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise ConnectionError

    app = create_app_with(ServiceRuntime(checks={"redis": passing_at_the_third_call}))
    async with app.router.lifespan_context(app):
        assert calls == 3
