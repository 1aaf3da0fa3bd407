"""The parts of the service on an empty database."""

from collections.abc import AsyncIterator

import pytest

from .running import Bench, bench, place, provider


@pytest.fixture
async def parts(postgres_dsn: str) -> AsyncIterator[Bench]:
    """With a provider and a place that are known."""
    async with bench(postgres_dsn) as made:
        await made.tell(provider(), place())
        yield made
