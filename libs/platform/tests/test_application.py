"""What a service runs beside its requests, through the application's life."""

import asyncio
from contextlib import AsyncExitStack

from fastapi import FastAPI

from millrace_platform.application import Running, create_app
from millrace_platform.settings import PlatformSettings


def app_of(running: Running) -> FastAPI:
    async def start(_app: FastAPI, _stack: AsyncExitStack) -> Running:
        return running

    return create_app(PlatformSettings(), name="sample", title="Sample", routers=[], start=start)


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
