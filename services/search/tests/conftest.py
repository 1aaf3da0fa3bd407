"""A fixture with the running search service and its own Redis."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis

from millrace_feeds.testing import wait_until
from millrace_platform.testing import run_app
from millrace_readmodel import layout
from millrace_readmodel.bulk import load
from millrace_readmodel.cards import Card
from millrace_readmodel.openings import EMPTY_ENTRY
from millrace_readmodel.truth import Truth
from millrace_search.main import create

GENERATION = 1
OpenSearchApp = Callable[[], AbstractAsyncContextManager["SearchApp"]]


@dataclass
class SearchApp:
    """The running service with an HTTP client and the Redis that it reads."""

    app: FastAPI
    http: httpx.AsyncClient
    redis: Redis

    async def serve(
        self,
        cards: Iterable[Card],
        generation: int = GENERATION,
        openings: Callable[[Card], bytes] = lambda _: EMPTY_ENTRY,
    ) -> None:
        """Load a generation, switch to it, and wait until the service reads it."""
        await load(self.redis, generation, cards, openings)
        await self.redis.set(layout.GENERATION_KEY, generation)
        await wait_until(lambda: self.is_reading(generation))

    def set_time(self, moment: datetime) -> None:
        """Set the current time of searches."""
        self.app.state.searches.now = moment.timestamp

    async def get_value(self, key: bytes | str) -> bytes:
        """Return the string of an existing key."""
        value = await self.redis.get(key)
        assert isinstance(value, bytes)
        return value

    async def is_reading(self, generation: int | None) -> bool:
        status = (await self.http.get("/internal/search/status")).json()
        return bool(status["generation"] == generation)

    async def search(self, **parameters: Any) -> dict[str, Any]:
        """Search successfully, by default for dermatologists in Manhattan, and return the response."""
        defaults = {"near": "10001"} | ({} if "name" in parameters else {"specialty": "dermatology"})
        given = {name: value for name, value in (defaults | parameters).items() if value is not None}
        response = await self.http.get("/v1/search", params=given)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    async def search_error(self, **parameters: Any) -> dict[str, str]:
        """Search with one invalid parameter and return the error."""
        response = await self.http.get("/v1/search", params={"near": "10001"} | parameters)
        assert response.status_code == 422, response.text
        assert response.headers["Content-Type"] == "application/problem+json"
        (error,) = response.json()["errors"]
        return dict(error)


@pytest.fixture
async def open_search_app(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> OpenSearchApp:
    """Start the service on the fixture's Redis: `async with open_search_app() as search_app`."""
    monkeypatch.setenv("MILLRACE_REDIS_URL", redis_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    # Tests that need the truth replace it; the start waits until it responds.
    monkeypatch.setattr(Truth, "check", AsyncMock())

    @asynccontextmanager
    async def start() -> AsyncIterator[SearchApp]:
        app = create()
        async with Redis.from_url(redis_url) as redis, run_app(app, timeout=20) as http:
            yield SearchApp(app, http, redis)

    return start


@pytest.fixture
async def search_app(open_search_app: OpenSearchApp) -> AsyncIterator[SearchApp]:
    async with open_search_app() as search_app:
        yield search_app
