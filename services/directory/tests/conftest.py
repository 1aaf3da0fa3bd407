"""A database with the directory's tables, and the directory running on it."""

from collections.abc import AsyncIterator

import pytest

from millrace_directory.migrate import migrate

from .running import Directory, running_directory


@pytest.fixture
async def database_url(postgres_dsn: str) -> str:
    """A database with the directory's tables."""
    await migrate(postgres_dsn)
    return postgres_dsn


@pytest.fixture
async def directory(database_url: str) -> AsyncIterator[Directory]:
    async with running_directory(database_url) as running:
        yield running
