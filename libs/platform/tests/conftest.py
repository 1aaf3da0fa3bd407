"""Applications of tests, and HTTP clients of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from millrace_platform.application import ServiceRuntime, create_app
from millrace_platform.problems import install_problem_handlers
from millrace_platform.settings import PlatformSettings
from millrace_platform.testing import run_app

from . import sample_service

ClientFactory = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def open_client() -> ClientFactory:
    """Open a client of the service in this process with these settings: `async with open_client(body_limit=10)`."""

    @asynccontextmanager
    async def open_with_settings(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
        app = sample_service.create_with(PlatformSettings(**settings))
        async with run_app(app) as client:
            yield client

    return open_with_settings


@pytest.fixture
async def client(open_client: ClientFactory) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the service in this process with default settings."""
    async with open_client() as client:
        yield client


@pytest.fixture
async def router_client(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of an application with the `router` of the test's module."""
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(request.module.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sample") as client:
        yield client


def create_app_with(
    runtime: ServiceRuntime, *routers: APIRouter, settings: PlatformSettings | None = None, **changes: Any
) -> FastAPI:
    """Create an application with these background tasks, checks, routers and settings (default ones with changes)."""
    settings = settings or PlatformSettings(**changes)

    async def start(_app: FastAPI, _stack: AsyncExitStack) -> ServiceRuntime:
        return runtime

    return create_app(settings, name="sample", title="Sample", routers=routers, start=start)
