"""Open clients of Kinesis, DynamoDB and S3 with bounded timeouts and connections."""

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
    """Endpoint and region of an AWS client.

    If one is None, botocore determines it (`AWS_ENDPOINT_URL`, `AWS_REGION`, profiles, roles).
    """

    endpoint_url: str | None = None
    region: str | None = None

    def config(self, attempts: int = 2) -> AioConfig:
        """Return botocore's configuration with our timeouts and limits; `attempts` includes the first one."""
        return AioConfig(
            connect_timeout=3.0,
            read_timeout=10.0,
            max_pool_connections=50,
            retries={"mode": "standard", "total_max_attempts": attempts},
            tcp_keepalive=True,
            # Validating parameters against the service model costs a third of a request's CPU time.
            parameter_validation=False,
            user_agent="millrace",
        )

    def client_options(self, attempts: int = 2) -> dict[str, Any]:
        """Return the keyword arguments of botocore's `create_client`; `attempts` includes the first one."""
        # Plain HTTP needs no root certificates, which take long to load.
        verify = False if (self.endpoint_url or "").startswith("http://") else None
        names = {"region_name": self.region_name, "endpoint_url": self.endpoint_url}
        return {**names, "verify": verify, "config": self.config(attempts)}

    @property
    def region_name(self) -> str | None:
        """Return the region, by default from AWS_REGION, which ECS sets but botocore ignores; None if unset."""
        return self.region or os.environ.get("AWS_REGION")


@cache
def _model_loader() -> Loader:
    """Return the process's only loader: reading botocore's descriptions of services takes longer than connecting."""
    return create_loader()


def _session() -> AioSession:
    session = get_session()
    session.register_component("data_loader", _model_loader())
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_parse_timestamp)
    return session


def _parse_timestamp(value: Any) -> datetime:
    """Parse a timestamp of a response; faster than botocore's parser, which builds a time zone for each record."""
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else parse_timestamp(value)


@asynccontextmanager
async def kinesis_client(settings: AwsSettings | None = None) -> "AsyncIterator[KinesisClient]":
    """Open a Kinesis client that never retries: only the publisher can repeat a put and keep each key's order."""
    options = (settings or AwsSettings()).client_options(attempts=1)
    async with _session().create_client("kinesis", **options) as client:
        yield client


@asynccontextmanager
async def dynamodb_client(settings: AwsSettings | None = None) -> "AsyncIterator[DynamoDBClient]":
    """Open a DynamoDB client that retries a failed request once; callers add retries with their own backoff."""
    options = (settings or AwsSettings()).client_options()
    async with _session().create_client("dynamodb", **options) as client:
        yield client


@asynccontextmanager
async def s3_client(settings: AwsSettings | None = None) -> AsyncIterator[Any]:
    """Open an S3 client that retries a failed request once."""
    options = (settings or AwsSettings()).client_options()
    if settings is not None and settings.endpoint_url is not None:
        # An emulator has no names for its buckets: they are parts of paths.
        options["config"] = options["config"].merge(AioConfig(s3={"addressing_style": "path"}))
    async with _session().create_client("s3", **options) as client:
        yield client
