"""What a service runs beside its requests, through the application's life."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from fastapi import APIRouter, FastAPI

from millrace_platform.application import Running, create_app
from millrace_platform.settings import PlatformSettings


def app_of(running: Running, *routers: APIRouter) -> FastAPI:
    async def start(_app: FastAPI, _stack: AsyncExitStack) -> Running:
        return running

    return create_app(PlatformSettings(), name="sample", title="Sample", routers=routers, start=start)


async def test_what_requests_depend_on_ends_last() -> None:
    """The server stops the tasks when it takes no new requests; the last ones are still to be answered then."""
    begun, ended = asyncio.Semaphore(0), list[str]()

    async def runs(name: str) -> None:
        begun.release()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    app = app_of(Running(tasks={"consumer": lambda: runs("consumer")}, supporting={"cache": lambda: runs("cache")}))
    async with asyncio.timeout(10), app.router.lifespan_context(app):
        await begun.acquire()
        await begun.acquire()
        app.state.background.stop()
        assert await app.state.background.join(timeout=5)
        assert ended == ["consumer"]
    assert ended == ["consumer", "cache"]


async def test_the_process_goes_down_with_what_requests_depend_on() -> None:
    told = asyncio.Event()

    async def fails() -> None:
        raise ConnectionError

    app = app_of(Running(supporting={"cache": fails}))
    app.state.background.on_failure = told.set
    async with asyncio.timeout(10), app.router.lifespan_context(app):
        await told.wait()
    assert app.state.background.failed == "cache"


def router_of(*names: str) -> APIRouter:
    async def endpoint() -> None: ...

    router = APIRouter()
    for number, name in enumerate(names):
        router.add_api_route(f"/{number}", endpoint, name=name)
    return router


def test_operation_ids_are_the_endpoints_names_in_camel_case() -> None:
    app = app_of(Running(), router_of("list_practices", "search"))
    operations = [item["get"]["operationId"] for item in app.openapi()["paths"].values()]
    assert operations == ["listPractices", "search"]


def test_repeated_operation_id_fails_the_start() -> None:
    with pytest.raises(ValueError, match="getThing"):
        app_of(Running(), router_of("get_thing"), router_of("get_thing"))
