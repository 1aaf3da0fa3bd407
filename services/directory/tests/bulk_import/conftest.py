"""An empty directory for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from millrace_directory.migrate import migrate

from .support import Directory


@pytest.fixture
async def directory(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Directory]:
    await migrate(postgres_dsn)
    connection = await asyncpg.connect(postgres_dsn)
    yield Directory(postgres_dsn, connection, tmp_path)
    await connection.close()
