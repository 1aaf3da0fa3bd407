"""Background tasks over the application's lifespan, and operation ids."""

import asyncio

import pytest
from fastapi import APIRouter

from millrace_platform.application import ServiceRuntime

from .conftest import create_app_with


async def test_supporting_tasks_end_after_the_other_tasks() -> None:
    """Tasks are stopped while the last requests, which may depend on supporting tasks, still run."""
    begun, ended = asyncio.Semaphore(0), list[str]()

    async def wait_forever(name: str) -> None:
        begun.release()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    app = create_app_with(
        ServiceRuntime(
            tasks={"consumer": lambda: wait_forever("consumer")}, supporting={"cache": lambda: wait_forever("cache")}
        )
    )
    async with asyncio.timeout(10), app.router.lifespan_context(app):
        await begun.acquire()
        await begun.acquire()
        app.state.background.stop()
        assert await app.state.background.join(timeout=5)
        assert ended == ["consumer"]
    assert ended == ["consumer", "cache"]


async def test_failing_supporting_task_fails_the_background() -> None:
    failed = asyncio.Event()

    async def fail() -> None:
        raise ConnectionError

    app = create_app_with(ServiceRuntime(supporting={"cache": fail}))
    app.state.background.on_failure = failed.set
    async with asyncio.timeout(10), app.router.lifespan_context(app):
        await failed.wait()
    assert app.state.background.failed == "cache"


def create_router(*names: str) -> APIRouter:
    async def endpoint() -> None: ...

    router = APIRouter()
    for number, name in enumerate(names):
        router.add_api_route(f"/{number}", endpoint, name=name)
    return router


def test_operation_ids_are_endpoint_names_in_camel_case() -> None:
    app = create_app_with(ServiceRuntime(), create_router("list_practices", "search"))
    operations = [item["get"]["operationId"] for item in app.openapi()["paths"].values()]
    assert operations == ["listPractices", "search"]


def test_repeated_operation_id_fails_the_start() -> None:
    with pytest.raises(ValueError, match="getThing"):
        create_app_with(ServiceRuntime(), create_router("get_thing"), create_router("get_thing"))
