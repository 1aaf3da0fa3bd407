"""The service as an application, with a feed in memory and callers whose tokens are known."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from millrace_feeds.consumer import Consumer
from millrace_feeds.dead_letters import MemoryDeadLetters
from millrace_feeds.handler import Handler
from millrace_feeds.lease import MemoryLeaseStore
from millrace_feeds.memory import MemoryTransport
from millrace_feeds.transport import Outgoing, Record
from millrace_notifications.keys import provide_key
from millrace_notifications.mail.memory import MemoryMailer
from millrace_notifications.mail.model import Mailer
from millrace_notifications.main import create
from millrace_notifications.settings import NotificationsSettings
from millrace_platform.authentication import InvalidTokenError, Principal, Role

STREAM = "entities"
NOBODY_LISTENS = "http://127.0.0.1:9"


class KnownTokens:
    """Stands in for the verifier of tokens."""

    def __init__(self) -> None:
        self._principals: dict[str, Principal] = {}

    def bearer(self, role: Role, *practices: str) -> dict[str, str]:
        """Headers of a caller with this role, who works for these practices."""
        token = f"{role}-{'-'.join(practices)}"
        self._principals[token] = Principal(UUID(int=1), frozenset({role}), frozenset(practices), 0.0, 2e9)
        return {"Authorization": f"Bearer {token}"}

    async def verify(self, token: str) -> Principal:
        if token not in self._principals:
            raise InvalidTokenError("unknown")
        return self._principals[token]


@dataclass
class Service:
    """A running service and its client."""

    app: FastAPI
    client: httpx.AsyncClient
    tokens: KnownTokens
    mailer: MemoryMailer
    transport: MemoryTransport

    def staff(self, *practices: str) -> dict[str, str]:
        return self.tokens.bearer(Role.STAFF, *practices)

    async def publish(self, *records: Record) -> None:
        await self.transport.put_records(STREAM, [Outgoing(record.key, record.body) for record in records])

    async def make(self, headers: dict[str, str], **body: Any) -> dict[str, Any]:
        """A new endpoint."""
        sent = {"url": "https://hooks.example/in", **body}
        answer = await self.client.post("/v1/webhooks", json=sent, headers=headers)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


@asynccontextmanager
async def serving(dsn: str, directory: Path, **changes: Any) -> AsyncIterator[Service]:
    """Run the service on a migrated database. `patients` is away unless `patients_url` is given."""
    settings = NotificationsSettings(
        **{
            "notifications_database_url": dsn,
            "notifications_webhook_key_file": directory / "webhook-key",
            "patients_url": NOBODY_LISTENS,
            **changes,
        }
    )
    provide_key(settings)
    mailer, transport, tokens = MemoryMailer(), MemoryTransport(), KnownTokens()
    transport.create_stream(STREAM)

    @asynccontextmanager
    async def mailers(_: NotificationsSettings) -> AsyncIterator[Mailer]:
        yield mailer

    @asynccontextmanager
    async def consumers(_: NotificationsSettings, handler: Handler) -> AsyncIterator[Consumer]:
        yield Consumer(
            application="notifications",
            stream=STREAM,
            transport=transport,
            leases=MemoryLeaseStore(),
            dead_letters=MemoryDeadLetters(),
            handler=handler,
            worker="test",
        )

    app = create(settings, mailers=mailers, consumers=consumers)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notifications") as client,
    ):
        app.state.verifier = tokens
        yield Service(app, client, tokens, mailer, transport)
