"""Settings that all services share, read from the environment when a process starts."""

import os
from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from millrace_feeds.clock import SystemClock
from millrace_platform.patterns import Pattern
from millrace_platform.tls import TlsSettings
from millrace_platform.validation import field_errors

Seconds = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=65535)]
BaseUrl = Annotated[
    str,
    Pattern(r"^https?://[^\s/?#]+(/[^\s?#]*[^\s?#/])?$", "Give an http or https URL without a slash at its end."),
]

Origin = Annotated[
    str, Pattern(r"^https?://[a-z0-9.\[\]:-]+$", "Give a scheme, a host in small letters and a port if any, no path.")
]
Host = Annotated[
    str, Pattern(r"^(\[[0-9A-Fa-f:.]+\]|[^\s/:@\[\]]+)$", "Give the name of a host, without a scheme and a port.")
]

KEY_LENGTH = 32
"""Minimum length of a key in characters (RFC 7518, section 3.2)."""


def _caller_keys(value: Any) -> Any:
    """Return the keys in a comma-separated text; raise `PydanticCustomError` if one is too short or all are missing."""
    if not isinstance(value, str):
        return value
    keys = [key.strip() for key in value.split(",")]
    if any(len(key) < KEY_LENGTH for key in keys):
        raise PydanticCustomError("caller_key", f"A key is too short. Give at least {KEY_LENGTH} characters.")
    return keys


CallerKeys = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_caller_keys)]
"""Keys of requests from one service to another, separated by commas: the first signs, all verify.

The setting's name is `<caller>_<audience>_keys`, in the settings of both.
"""


class PoolSettings(BaseSettings):
    """Limits of a process that accepts connections from clients: a service or the local edge."""

    model_config = SettingsConfigDict(env_prefix="MILLRACE_", frozen=True, extra="ignore", populate_by_name=True)

    upload_limit: int = Field(100, ge=1)
    """Maximum number of requests in a process whose body is incomplete; the oldest of the source with the most ends."""
    stream_limit: int = Field(500, ge=0)
    """Maximum number of concurrent streams in a process; further ones get 503."""
    source_stream_limit: int = Field(20, ge=0)
    """Maximum number of concurrent streams of one client address in a process; further ones get 429."""


class PlatformSettings(PoolSettings, TlsSettings):
    """Shared settings; each service adds its own in a subclass. Times are in seconds, sizes in bytes.

    The environment variables begin with `MILLRACE_`, except those that belong to AWS and OpenTelemetry.
    """

    listen_host: str = "127.0.0.1"
    listen_port: Port = 8000
    """0 selects a free port."""
    proxy_hops: int = Field(1, ge=0, le=8)
    """Number of our own proxies that append to `X-Forwarded-For`; 0 if clients connect directly."""

    database_pool_size: int = Field(8, ge=1)
    database_timeout: Seconds = 5.0
    """Timeout of one statement, and of the wait for a free connection."""
    redis_url: str = Field("redis://127.0.0.1:6379/0", repr=False)
    redis_pool_size: int = Field(16, ge=1)
    redis_timeout: Seconds = 2.0

    aws_endpoint_url: str | None = Field(None, validation_alias="AWS_ENDPOINT_URL")
    aws_region: str = Field("us-east-1", validation_alias="AWS_REGION")

    changes_stream: str = "changes"
    entities_stream: str = "entities"
    dead_letters_table: str = "millrace-dead-letters"

    auth_issuer: str = "http://127.0.0.1:8080/v1/auth"
    """Issuer of access tokens, exactly as in their claim `iss`; on AWS the URL of the Cognito user pool."""
    auth_client_ids: tuple[str, ...] = ("millrace",)
    """Ids of clients whose tokens are accepted, as a JSON list; the service `patients` issues tokens for the first."""
    auth_jwks_url: str | None = None
    """Address of the issuer's public keys; None: `<issuer>/.well-known/jwks.json`."""

    hosts: tuple[Host, ...] = ("127.0.0.1", "localhost", "[::1]")
    """Names that requests may have in `Host`, without a port, as a JSON list; probes may have any."""

    worker: str | None = None
    """Name of this process in the leases of streams; None: a new name at each start. A fixed name resumes its leases at
    once; use it only where no second process can have the same name."""

    public_url: BaseUrl = "http://127.0.0.1:8080"
    """URL of the website, with which links in emails and calendars begin, without a slash at the end."""

    cors_origins: tuple[Origin, ...] = ()
    """Origins whose pages may read responses in a browser, as a JSON list; none by default."""

    clock_ahead: float = Field(0.0, ge=0)
    """Seconds by which the clock is ahead of the machine's; refused unless `millrace up --clock` set it."""
    supervisor_pid: int | None = None
    """Process id of the `millrace up` that started this process."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"

    request_timeout: Seconds = 15.0
    """Timeout of one request, from its head to the end of its response."""
    check_timeout: Seconds = 2.0
    """Timeout of each readiness check."""
    start_timeout: Seconds = 5.0
    """Longest wait for all readiness checks to succeed before the service listens."""
    body_limit: int = Field(1_048_576, ge=0)
    head_limit: int = Field(32_768, ge=1_024)
    """Maximum size of the target and all header names and values of a request."""
    header_count_limit: int = Field(100, ge=1)
    concurrency_limit: int = Field(1_000, ge=1)
    """Maximum number of concurrent requests in a process, without uploads and streams; further ones get 503."""

    otlp_endpoint: str | None = Field(None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    """Base address of an OTLP/HTTP collector; None disables telemetry."""

    @model_validator(mode="after")
    def _require_local_clock(self) -> Self:
        """Refuse a shifted clock unless this process and its AWS emulator belong to a running `millrace up`.

        On AWS there is no endpoint, and in Compose neither the endpoint nor the listener is on the loopback interface.
        """
        endpoint = urlsplit(self.aws_endpoint_url or "").hostname
        is_local = _is_loopback(endpoint) and _is_loopback(self.listen_host) and _is_running(self.supervisor_pid)
        if self.clock_ahead and not is_local:
            raise PydanticCustomError(
                "local_clock",
                "MILLRACE_CLOCK_AHEAD is refused: only `millrace up --clock` may shift the clock. Unset it.",
            )
        return self

    def caller_keys(self, audience: str) -> dict[str, list[str]]:
        """Return the keys with which others call this service, by caller: the settings `<caller>_<audience>_keys`."""
        suffix = f"_{audience}_keys"
        return {
            name.removesuffix(suffix): [key.get_secret_value() for key in getattr(self, name)]
            for name in type(self).model_fields
            if name.endswith(suffix)
        }

    def clock(self) -> SystemClock:
        """Return the clock of this process."""
        return SystemClock(self.clock_ahead)


def setting_problems(error: ValidationError) -> list[str]:
    """Return a line for each invalid setting: its environment variable, what is wrong, and the remedy."""
    errors = error.errors(include_input=False, include_url=False)
    return [
        f"{_variable(str(problem['loc'][0]))}: {invalid['detail']} {invalid['remedy']}"
        for problem, invalid in zip(errors, field_errors(errors), strict=True)
    ]


def _variable(name: str) -> str:
    """Return the name of a setting's environment variable; a name in upper case already is one."""
    return name if name.isupper() else f"{PlatformSettings.model_config['env_prefix']}{name}".upper()


def _is_loopback(host: str | None) -> bool:
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def _is_running(process: int | None) -> bool:
    if process is None:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
