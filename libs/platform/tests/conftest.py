"""Clients of the sample service."""

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
def client_with() -> ClientFactory:
    """`async with client_with(body_limit=10) as client`: the service in this process, with these settings."""

    @asynccontextmanager
    async def open_client(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
        app = sample_service.make(PlatformSettings(**settings))
        async with run_app(app) as client:
            yield client

    return open_client


@pytest.fixture
async def client(client_with: ClientFactory) -> AsyncIterator[httpx.AsyncClient]:
    """The service in this process, as it comes."""
    async with client_with() as opened:
        yield opened
