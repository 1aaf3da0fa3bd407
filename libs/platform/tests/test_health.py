"""`/healthz` is about the process, `/readyz` about all it needs."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack

import httpx
from fastapi import FastAPI

from millrace_platform.application import Running, create_app
from millrace_platform.background import Task
from millrace_platform.health import Check
from millrace_platform.settings import PlatformSettings


async def well() -> None:
    """Nothing is wrong."""


async def broken() -> None:
    raise ConnectionError("postgres://user:password@host")


async def stuck() -> None:
    await asyncio.Event().wait()


async def ask(path: str, *, checks: Mapping[str, Check], tasks: Mapping[str, Task] | None = None) -> httpx.Response:
    async def start(_app: FastAPI, _stack: AsyncExitStack) -> Running:
        return Running(tasks=tasks or {}, checks=checks)

    settings = PlatformSettings(check_timeout=0.01)
    app = create_app(settings, name="sample", title="Sample", routers=[], start=start)
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://s") as client:
        await app.state.background.join(timeout=5)
        return await client.get(path)


async def test_ready_when_all_checks_pass() -> None:
    answer = await ask("/readyz", checks={"database": well, "redis": well})
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "checks": {"database": "ok", "redis": "ok", "tasks": "ok"}}


async def test_each_failing_check_is_named_without_its_details() -> None:
    answer = await ask("/readyz", checks={"database": broken, "queue": stuck, "redis": well})
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "database: failed; queue: timed out"
    assert "password" not in answer.text


async def test_alive_though_not_ready() -> None:
    answer = await ask("/healthz", checks={"database": broken})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_not_ready_once_a_task_failed() -> None:
    answer = await ask("/readyz", checks={}, tasks={"relay": broken, "consumer": stuck})
    assert answer.status_code == 503
    assert answer.json()["detail"] == "tasks: relay failed"


async def test_not_ready_before_the_lifespan() -> None:
    async def start(_app: FastAPI, _stack: AsyncExitStack) -> Running:
        return Running()

    app = create_app(PlatformSettings(), name="sample", title="Sample", routers=[], start=start)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://s") as client:
        assert (await client.get("/readyz")).json()["detail"] == "lifespan: starting"
