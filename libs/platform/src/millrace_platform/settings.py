"""One set of settings serves every process; it is read once, at the start, from the environment."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Seconds = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=65535)]


class PlatformSettings(BaseSettings):
    """What all services share. Variables begin with `MILLRACE_`, except those that belong to AWS and OpenTelemetry.

    A service with settings of its own makes a subclass. Times are in seconds, sizes in bytes.
    """

    model_config = SettingsConfigDict(env_prefix="MILLRACE_", frozen=True, extra="ignore", populate_by_name=True)

    listen_host: str = "127.0.0.1"
    listen_port: Port = 8000
    """0 takes any free port."""

    database_pool_size: int = Field(8, ge=1)
    database_timeout: Seconds = 5.0
    """How long one statement, or the wait for a free connection, may take."""
    redis_url: str = Field("redis://127.0.0.1:6379/0", repr=False)
    redis_pool_size: int = Field(16, ge=1)
    redis_timeout: Seconds = 2.0

    aws_endpoint_url: str | None = Field(None, validation_alias="AWS_ENDPOINT_URL")
    aws_region: str = Field("us-east-1", validation_alias="AWS_REGION")

    changes_stream: str = "changes"
    entities_stream: str = "entities"
    dead_letters_table: str = "millrace-dead-letters"

    auth_issuer: str = "http://127.0.0.1:8080/v1/auth"
    """Who issues access tokens: exactly their `iss`. On AWS that of the Cognito user pool."""
    auth_client_ids: tuple[str, ...] = ("millrace",)
    """Clients whose tokens are taken, as a JSON list; the first is the one that `patients` issues tokens for."""
    auth_jwks_url: str | None = None
    """Where the issuer's public keys are; None: `<issuer>/.well-known/jwks.json`."""

    worker: str | None = None
    """Name of this process among those of its service that read a stream; None: a new one for each run. A fixed name
    takes up its former leases at once, and is for where no second process can bear it."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"

    request_timeout: Seconds = 15.0
    """How long one request may take from its head to the end of its response."""
    check_timeout: Seconds = 2.0
    """How long each readiness check may take."""
    body_limit: int = Field(1_048_576, ge=0)
    head_limit: int = Field(32_768, ge=1_024)
    """Of all header names and values of a request together, and of its target."""
    header_count_limit: int = Field(100, ge=1)
    concurrency_limit: int = Field(1_000, ge=1)
    """How many requests a process answers at once; further ones get 503."""

    otlp_endpoint: str | None = Field(None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    """Base address of an OTLP/HTTP collector; without one no telemetry is made."""
