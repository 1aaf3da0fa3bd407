"""Open the source of truth (DynamoDB) and the read model (Redis)."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import Redis

from millrace_platform.redis import redis_client
from millrace_projector.settings import ProjectorSettings
from millrace_readmodel.dynamodb import truth_client
from millrace_readmodel.truth import Truth
from millrace_readmodel.writer import ReadModelWriter


@dataclass(frozen=True, slots=True)
class Stores:
    """Clients of the stores that the projector writes. `redis` returns bytes, not text.

    `now` returns Unix seconds, by which the writer and rebuilds select the days of openings.
    """

    truth: Truth
    redis: Redis
    writer: ReadModelWriter
    now: Callable[[], float]


@asynccontextmanager
async def open_stores(settings: ProjectorSettings, *, name: str) -> AsyncIterator[Stores]:
    """Open clients of both stores; they connect on first use. Redis shows `name` in CLIENT LIST."""
    async with truth_client(region=settings.aws_region, endpoint_url=settings.aws_endpoint_url) as client:
        redis = redis_client(
            settings.redis_url,
            name=name,
            pool_size=settings.redis_pool_size,
            seconds=settings.redis_timeout,
            authorities=settings.tls_ca,
        )
        try:
            truth = Truth(client, settings.truth_table)
            now = settings.clock().time
            yield Stores(truth, redis, ReadModelWriter(redis, truth, now=now), now)
        finally:
            await redis.aclose()
