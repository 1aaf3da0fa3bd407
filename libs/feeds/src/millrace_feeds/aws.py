"""Clients of AWS, or of what stands in for it: bounded in time and connections."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore.loaders import Loader, create_loader
from botocore.utils import parse_timestamp

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_kinesis import KinesisClient


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """Where and how to connect. None: botocore's own sources (`AWS_ENDPOINT_URL`, `AWS_REGION`, profiles, roles)."""

    endpoint_url: str | None = None
    region: str | None = None
    connect_timeout: float = 3.0
    read_timeout: float = 10.0
    connections: int = 50
    attempts: int = 2

    def config(self) -> AioConfig:
        """`attempts` counts the first; callers retry above this with their own backoff."""
        return AioConfig(
            connect_timeout=self.connect_timeout,
            read_timeout=self.read_timeout,
            max_pool_connections=self.connections,
            retries={"mode": "standard", "total_max_attempts": self.attempts},
            tcp_keepalive=True,
            # A third of a request's cost: walking the service model over what is sent, and describing the client anew.
            parameter_validation=False,
            user_agent="millrace",
        )

    @property
    def verify(self) -> bool | None:
        """Without encryption there is nobody to verify; to load the roots of all authorities for that takes a while."""
        return False if (self.endpoint_url or "").startswith("http://") else None

    @property
    def region_name(self) -> str | None:
        """botocore itself reads only AWS_DEFAULT_REGION; containers on ECS are given AWS_REGION."""
        return self.region or os.environ.get("AWS_REGION")


@cache
def _models() -> Loader:
    """The services' descriptions take longer to read than a client to connect: once a process is enough."""
    return create_loader()


def _session() -> AioSession:
    session = get_session()
    session.register_component("data_loader", _models())
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
    return session


def _moment(value: Any) -> datetime:
    """A record's arrival. botocore's own parser builds a time zone for each."""
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else parse_timestamp(value)


@asynccontextmanager
async def kinesis_client(settings: AwsSettings | None = None) -> "AsyncIterator[KinesisClient]":
    """A Kinesis client. A put is never repeated beneath the publisher: it alone knows a key's order."""
    settings = settings or AwsSettings()
    config = settings.config().merge(AioConfig(retries={"mode": "standard", "total_max_attempts": 1}))
    async with _session().create_client(
        "kinesis",
        region_name=settings.region_name,
        endpoint_url=settings.endpoint_url,
        verify=settings.verify,
        config=config,
    ) as client:
        yield client


@asynccontextmanager
async def dynamodb_client(settings: AwsSettings | None = None) -> "AsyncIterator[DynamoDBClient]":
    """A DynamoDB client."""
    settings = settings or AwsSettings()
    async with _session().create_client(
        "dynamodb",
        region_name=settings.region_name,
        endpoint_url=settings.endpoint_url,
        verify=settings.verify,
        config=settings.config(),
    ) as client:
        yield client
