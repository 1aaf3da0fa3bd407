"""An empty database of the directory service for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from .support import Directory


@pytest.fixture
async def directory(database_url: str, tmp_path: Path) -> AsyncIterator[Directory]:
    connection = await asyncpg.connect(database_url)
    yield Directory(database_url, connection, tmp_path)
    await connection.close()
