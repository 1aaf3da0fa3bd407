"""The parts of the service on an empty database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest

from millrace_local.servers.postgres import Postgres
from millrace_notifications.migrate import migrate

from .running import Bench, bench, place, provider


def aside(work: Callable[[], Awaitable[None]]) -> None:
    """Run it on a loop of its own: a fixture for the session can't know whether one is running."""

    async def awaited() -> None:
        await work()

    with ThreadPoolExecutor(1) as executor:
        executor.submit(lambda: asyncio.run(awaited())).result()


@pytest.fixture(scope="session")
def migrated(embedded_postgres: Postgres, unique_name: Callable[[str], str]) -> str:
    """A database with all tables, to be copied: migrating one for each test would take longer than the tests."""
    name = unique_name("notifications").replace("-", "_")
    aside(lambda: embedded_postgres.create_database(name))
    aside(lambda: migrate(embedded_postgres.dsn(name)))
    return name


@pytest.fixture
def database_url(embedded_postgres: Postgres, migrated: str, unique_name: Callable[[str], str]) -> Iterator[str]:
    """A fresh copy of it; dropped after the test."""
    name = unique_name("test").replace("-", "_")

    async def copy() -> None:
        connection = await asyncpg.connect(embedded_postgres.dsn())
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{migrated}"')
        await connection.close()

    aside(copy)
    yield embedded_postgres.dsn(name)
    aside(lambda: embedded_postgres.drop_database(name))


@pytest.fixture
async def parts(database_url: str) -> AsyncIterator[Bench]:
    """With a provider and a place that are known."""
    async with bench(database_url) as made:
        await made.tell(provider(), place())
        yield made
