"""Fixtures: a migrated database, and the parts of the service on it."""

from collections.abc import AsyncIterator

import pytest

from millrace_notifications.migrate import migrate

from .running import Harness, open_harness, provider, provider_location


@pytest.fixture
async def database_url(postgres_dsn: str) -> str:
    """Return the DSN of a migrated database without rows."""
    await migrate(postgres_dsn)
    return postgres_dsn


@pytest.fixture
async def harness(database_url: str) -> AsyncIterator[Harness]:
    """Open a harness with a known provider and provider-location."""
    async with open_harness(database_url) as harness:
        await harness.consume(provider(), provider_location())
        yield harness
