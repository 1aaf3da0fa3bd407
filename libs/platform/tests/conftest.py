"""HTTP clients of the sample service."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest

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
