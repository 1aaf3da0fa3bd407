"""`/healthz` and `/readyz` with healthy, failing and hanging checks."""

import asyncio
from collections.abc import Mapping

import httpx

from millrace_platform.application import ServiceRuntime
from millrace_platform.background import Task
from millrace_platform.health import Check

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
