"""The service on an empty database."""

from collections.abc import AsyncIterator, Iterator

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from .running import Service, running, settings_for


@pytest.fixture
async def service(postgres_dsn: str) -> AsyncIterator[Service]:
    async with running(settings_for(postgres_dsn)) as service:
        yield service


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    """An event loop in its own thread, because Hypothesis calls rules as plain functions."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def served(postgres_dsn: str, portal: BlockingPortal) -> Iterator[Service]:
    with portal.wrap_async_context_manager(running(settings_for(postgres_dsn))) as service:
        yield service
