"""The service as an application with feeds in memory and access tokens for callers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from millrace_feeds.clock import SystemClock
from millrace_feeds.transport import OutgoingRecord, Record
from millrace_notifications.email.memory import MemoryMailer
from millrace_notifications.keys import create_local_key
from millrace_notifications.main import create
from millrace_notifications.settings import NotificationsSettings
from millrace_platform.authentication import Role
from millrace_platform.testing import ENTITIES, SERVICE_KEY, MemoryFeeds, access_token, run_app

UNUSED_ADDRESS = "http://127.0.0.1:9"


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

    async def create_endpoint(self, headers: dict[str, str], **body: Any) -> dict[str, Any]:
        """Create an endpoint and return the response."""
        json = {"url": "https://hooks.example/in", **body}
        response = await self.client.post("/v1/webhooks", json=json, headers=headers)
        assert response.status_code == 201, response.text
        endpoint: dict[str, Any] = response.json()
        return endpoint


@asynccontextmanager
async def serving(dsn: str, directory: Path, **changes: Any) -> AsyncIterator[Service]:
    """Run the service on a migrated database. `patients` is unavailable unless `patients_url` is given."""
    settings = NotificationsSettings(
        **{
            "notifications_database_url": dsn,
            "notifications_webhook_key_file": directory / "webhook-key",
            "patients_url": UNUSED_ADDRESS,
            "notifications_patients_keys": SERVICE_KEY,
            **changes,
        }
    )
    create_local_key(settings)
    mailer, feeds = MemoryMailer(), MemoryFeeds()
    app = create(settings, feeds.infrastructure(), lambda _: nullcontext(mailer))
    async with run_app(app) as client:
        yield Service(app, client, mailer, feeds)
