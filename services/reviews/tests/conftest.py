"""Fixtures: the service on an empty database."""

from collections.abc import AsyncIterator

import pytest

from .running import Service, running


@pytest.fixture
async def service(postgres_dsn: str) -> AsyncIterator[Service]:
    async with running(postgres_dsn) as service:
        yield service
