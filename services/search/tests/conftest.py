"""The service as it is deployed, on a Redis of its own."""

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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
from millrace_search.main import create

GENERATION = 1


@dataclass
class Site:
    """The running service, a client of it, and the Redis that it reads."""

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
        await wait_until(lambda: self.reads(generation))

    def at(self, moment: datetime) -> None:
        """Let it be this moment for searches."""
        self.app.state.searches.now = moment.timestamp

    async def value(self, key: bytes | str) -> bytes:
        """The string at a key, which must be there."""
        value = await self.redis.get(key)
        assert isinstance(value, bytes)
        return value

    async def reads(self, generation: int | None) -> bool:
        status = (await self.http.get("/internal/search/status")).json()
        return bool(status["generation"] == generation)

    async def search(self, **parameters: Any) -> dict[str, Any]:
        """A search that must succeed, for dermatologists in Manhattan unless told otherwise."""
        defaults = {"near": "10001"} | ({} if "name" in parameters else {"specialty": "dermatology"})
        given = {name: value for name, value in (defaults | parameters).items() if value is not None}
        response = await self.http.get("/v1/search", params=given)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def refusal(self, **parameters: Any) -> dict[str, str]:
        """What is wrong with a search that must be refused for one reason."""
        response = await self.http.get("/v1/search", params={"near": "10001"} | parameters)
        assert response.status_code == 422, response.text
        assert response.headers["Content-Type"] == "application/problem+json"
        (error,) = response.json()["errors"]
        return dict(error)


@pytest.fixture
async def site(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setenv("MILLRACE_REDIS_URL", redis_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    app = create()
    async with Redis.from_url(redis_url) as redis, run_app(app, timeout=20) as http:
        yield Site(app, http, redis)
