"""The service as an application, with a feed in memory and callers whose tokens are known."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from millrace_feeds.clock import SystemClock
from millrace_feeds.transport import OutgoingRecord, Record
from millrace_notifications.keys import provide_key
from millrace_notifications.mail.memory import MemoryMailer
from millrace_notifications.main import create
from millrace_notifications.settings import NotificationsSettings
from millrace_platform.authentication import Role
from millrace_platform.testing import ENTITIES, MemoryFeeds, access_token, run_app

NOBODY_LISTENS = "http://127.0.0.1:9"


@dataclass
class Service:
    """A running service and its client."""

    app: FastAPI
    client: httpx.AsyncClient
    mailer: MemoryMailer
    feeds: MemoryFeeds

    def bearer(self, role: Role, *practices: str) -> dict[str, str]:
        """Return the headers of a caller with this role who works for these practices."""
        token = access_token(self.app.state.settings, SystemClock(), role, practices=practices)
        return {"Authorization": f"Bearer {token}"}

    def staff(self, *practices: str) -> dict[str, str]:
        return self.bearer(Role.STAFF, *practices)

    async def publish(self, *records: Record) -> None:
        await self.feeds.transport.put_records(
            ENTITIES, [OutgoingRecord(record.key, record.body) for record in records]
        )

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
    mailer, feeds = MemoryMailer(), MemoryFeeds()
    app = create(settings, feeds.infrastructure(), lambda _: nullcontext(mailer))
    async with run_app(app) as client:
        yield Service(app, client, mailer, feeds)
