"""Run a service in tests: in-memory feeds, a manual clock and signed access tokens."""

import asyncio
import socket
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import httpx
import uvicorn
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from joserfc import jwt
from joserfc.jwk import RSAKey

from millrace_contracts.envelope import Envelope, decode, encode
from millrace_contracts.registry import decode_entity
from millrace_feeds.clock import Clock, SystemClock
from millrace_feeds.consumer import Consumer
from millrace_feeds.dead_letters import MemoryDeadLetterStore
from millrace_feeds.handler import Handler
from millrace_feeds.lease import MemoryLeaseStore
from millrace_feeds.memory import MemoryTransport
from millrace_feeds.settings import ConsumerSettings, LeaseSettings
from millrace_feeds.testing import wait_until
from millrace_feeds.transport import OutgoingRecord, Transport
from millrace_platform.authentication import (
    ALGORITHM,
    PRACTICE_GROUP,
    TOKEN_USE,
    TokenVerifier,
    Verifier,
    token_rules,
)
from millrace_platform.ids import Uuid7
from millrace_platform.internal import InternalAccess, internal_access
from millrace_platform.service import Infrastructure, Subscription
from millrace_platform.service_tokens import ServiceTokenSigner, ServiceTokenVerifier
from millrace_platform.settings import PlatformSettings

START = 1_800_000_000.0
"""The default time of `ManualClock`: 2027-01-15T08:00:00Z in Unix seconds."""
KEY_ID = "testing"
LIFETIME = 900.0
CHANGES, ENTITIES = "changes", "entities"


class ManualClock:
    """A clock that stands still until a test moves it. `now` (Unix seconds) is also its monotonic time."""

    def __init__(self, now: float | datetime = START) -> None:
        self.move_to(now)

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def advance(self, **by: float) -> None:
        """Move forward by a duration, given as arguments of `timedelta`, e.g. `minutes=5`."""
        self.now += timedelta(**by).total_seconds()

    def move_to(self, moment: float | datetime) -> None:
        self.now = moment.timestamp() if isinstance(moment, datetime) else moment


@cache
def _key() -> RSAKey:
    # Shared by all tests, because generating a key is slow.
    return RSAKey.generate_key(2048, private=True)


class _Keys:
    async def key(self, kid: str) -> RSAKey | None:
        return _key() if kid == KEY_ID else None


@asynccontextmanager
async def open_test_verifier(settings: PlatformSettings, clock: Clock) -> AsyncIterator[TokenVerifier]:
    """Yield a `Verifier` that accepts the tokens of `access_token`; replaces `authentication.open_verifier`."""
    yield Verifier(token_rules(settings), _Keys(), clock)


def access_token(
    settings: PlatformSettings,
    clock: Clock,
    *roles: str,
    practices: Iterable[object] = (),
    subject: UUID | None = None,
    lifetime: float = LIFETIME,
) -> str:
    """Return a signed access token of the settings' issuer, valid from the clock's time for `lifetime` seconds."""
    now = int(clock.time())
    claims = {
        "iss": settings.auth_issuer,
        "sub": str(subject or uuid4()),
        "client_id": settings.auth_client_ids[0],
        "token_use": TOKEN_USE,
        "origin_jti": str(uuid4()),
        "iat": now,
        "auth_time": now,
        "exp": now + lifetime,
        "cognito:groups": [*roles, *(f"{PRACTICE_GROUP}{practice}" for practice in practices)],
    }
    return jwt.encode({"alg": ALGORITHM, "kid": KEY_ID}, claims, _key(), algorithms=[ALGORITHM])


def _memory_transport() -> MemoryTransport:
    transport = MemoryTransport()
    for stream in (CHANGES, ENTITIES):
        transport.create_stream(stream)
    return transport


@dataclass
class MemoryFeeds:
    """Provides the streams `changes` and `entities` with leases and dead letters in memory."""

    transport: MemoryTransport = field(default_factory=_memory_transport)
    dead_letters: MemoryDeadLetterStore = field(default_factory=MemoryDeadLetterStore)

    def infrastructure(self, clock: Clock | None = None, **changes: Any) -> Infrastructure:
        """Return a service's dependencies that use these feeds and accept the tokens of `access_token`.

        `changes` replaces fields of the `Infrastructure`.
        """
        clock = clock or SystemClock()
        values = {
            "clock": clock,
            "ids": Uuid7(clock),
            "open_transport": self._open_transport,
            "open_consumer": self._open_consumer,
            "open_verifier": open_test_verifier,
        }
        return Infrastructure(**{**values, **changes})

    def envelopes(self, stream: str = CHANGES) -> list[Envelope]:
        """Return all events of a stream, in order for each key; raise `ContractError` if an entity is invalid."""
        shards = self.transport.open_shards(stream)
        found = [decode(record.body) for shard in shards for record in self.transport.records(stream, shard.shard_id)]
        for envelope in found:
            decode_entity(envelope)
        return found

    async def publish(self, *envelopes: Envelope, stream: str = ENTITIES) -> None:
        records = [OutgoingRecord(envelope.partitionkey, encode(envelope)) for envelope in envelopes]
        await self.transport.put_records(stream, records)

    @asynccontextmanager
    async def _open_transport(self, _: PlatformSettings) -> AsyncIterator[Transport]:
        yield self.transport

    @asynccontextmanager
    async def _open_consumer(
        self, _: PlatformSettings, subscription: Subscription, handler: Handler
    ) -> AsyncIterator[Consumer]:
        yield Consumer(
            application=subscription.application,
            stream=subscription.stream,
            transport=self.transport,
            leases=MemoryLeaseStore(),
            dead_letters=self.dead_letters,
            handler=handler,
            worker="test",
            is_outage=subscription.is_outage,
            settings=ConsumerSettings(
                poll_interval=0.005, leases=LeaseSettings(take_interval=0.02, renew_interval=0.5)
            ),
        )


class Listening:
    """Serves an application on a free port of the loopback interface during a block, with real connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(config)
        self._task: asyncio.Task[None] | None = None

    @property
    def connections(self) -> Collection[object]:
        """The open connections."""
        return self._server.server_state.connections

    async def __aenter__(self) -> "Listening":
        # serve() would replace this process's signal handlers
        self._task = asyncio.create_task(self._server._serve([self._socket]))
        await wait_until(lambda: self._server.started)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()


SERVICE_KEY = "a key of two services for tests only"
"""A key that `run_app` accepts from every caller that has keys in the service's settings."""


@asynccontextmanager
async def run_app(app: FastAPI, **client_options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Start the application in this process, yield an HTTP client of it, and stop it after the block.

    Requests to `/internal` without `Authorization` carry the token of a caller that the endpoint admits.
    """
    settings: PlatformSettings = app.state.settings
    name, clock = app.state.name, app.state.clock
    keys = {caller: [*own, SERVICE_KEY] for caller, own in settings.caller_keys(name).items()}
    app.state.service_tokens = ServiceTokenVerifier(name, keys, clock)

    async def sign(request: httpx.Request) -> None:
        access = _internal_access(app, request)
        if access is not None and "Authorization" not in request.headers:
            request.headers.update(
                ServiceTokenSigner(access.callers[0], name, SERVICE_KEY, clock).headers(access.purpose)
            )

    transport = httpx.ASGITransport(app)
    hooks = {"request": [sign]}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", event_hooks=hooks, **client_options
        ) as client,
    ):
        yield client


def _internal_access(app: FastAPI, request: httpx.Request) -> InternalAccess | None:
    """Return the check of callers of the endpoint that serves the request, None for other endpoints."""
    for context in iter_route_contexts(app.routes):
        if request.method in (context.methods or ()) and context.path_regex.match(request.url.path):
            return internal_access(context.original_route)
    return None
