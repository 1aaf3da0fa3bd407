"""The service as it runs, with a clock to turn, a stream in memory, and the steps that most tests begin with."""

import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from millrace_contracts.envelope import Envelope, decode
from millrace_feeds.memory import MemoryTransport
from millrace_feeds.transport import Transport
from millrace_patients.main import create
from millrace_patients.migrate import prepare
from millrace_patients.settings import PatientsSettings
from millrace_platform.authentication import Role
from millrace_platform.database import Database, open_database
from millrace_platform.testing import ManualClock
from tests.support.waiting import until

PASSWORD = "a quiet sentence about rivers"
PROFILE = {"given_name": "Ada", "family_name": "Lovelace", "birth_date": "1980-12-10"}
STREAM = "changes"


@cache
def signing_keys() -> SecretStr:
    """One key for all tests that don't ask for others: making one takes long."""
    return SecretStr(json.dumps({"keys": [RSAKey.generate_key(2048).as_dict(private=True)]}))


def settings_for(database_url: str, **changes: Any) -> PatientsSettings:
    """Quick passwords, a given signing key, a master key of its own."""
    chosen = {
        "patients_database_url": database_url,
        "patients_master_keys": (SecretStr(base64.b64encode(os.urandom(32)).decode()),),
        "patients_signing_keys": signing_keys(),
        "patients_password_memory": 64,
        "auth_issuer": "https://millrace.example/v1/auth",
    }
    return PatientsSettings(**{**chosen, **changes})


@dataclass
class Account:
    """Somebody who signed in; `headers` carry the access token."""

    id: str
    email: str
    tokens: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    def because(self, purpose: str) -> dict[str, str]:
        return {**self.headers, "Purpose-Of-Use": purpose}

    @property
    def path(self) -> str:
        return f"/v1/patients/{self.id}"


@dataclass
class Service:
    """A running service and its client."""

    app: FastAPI
    client: httpx.AsyncClient
    clock: ManualClock
    transport: MemoryTransport
    settings: PatientsSettings
    database: Database

    async def post(
        self, path: str, body: Any = None, *, source: str = "198.51.100.1", **headers: str
    ) -> httpx.Response:
        return await self.client.post(path, json=body, headers={"X-Forwarded-For": source, **headers})

    async def mails(self) -> list[dict[str, str]]:
        """What waits to be sent, oldest first."""
        found: list[dict[str, str]] = (await self.client.get("/internal/patients/outbox")).json()["items"]
        return found

    async def mailed_token(self, email: str, kind: str) -> str:
        """The newest token that was mailed there."""
        return [mail["token"] for mail in await self.mails() if (mail["to"], mail["kind"]) == (email, kind)][-1]

    async def sign_up(self, email: str, password: str = PASSWORD) -> str:
        """An account; its id. A source of its own, so that many in one test aren't too many."""
        source = f"2001:db8:0:{abs(hash(email)) % 65536:x}::1"
        assert (await self.post("/v1/auth/sign-up", {"email": email}, source=source)).status_code == 202
        token = await self.mailed_token(email, "verify_email")
        response = await self.post("/v1/auth/verify-email", {"token": token, "password": password})
        assert response.status_code == 201, response.text
        identifier: str = response.json()["id"]
        return identifier

    async def try_sign_in(
        self, email: str, password: str = PASSWORD, *, source: str = "198.51.100.1", device: str | None = None
    ) -> httpx.Response:
        body = {"email": email, "password": password} | ({} if device is None else {"device_token": device})
        return await self.post("/v1/auth/sign-in", body, source=source)

    async def sign_in(self, email: str, password: str = PASSWORD, **options: Any) -> Account:
        response = await self.try_sign_in(email, password, **options)
        assert response.status_code == 200, response.text
        tokens = response.json()
        return Account(tokens["subject"], email, tokens)

    async def account(self, email: str, *roles: str, practices: list[str] | None = None) -> Account:
        """Somebody new, signed in with these roles."""
        identifier = await self.sign_up(email)
        if roles:
            await self.grant(identifier, roles=roles, practices=practices or [])
        return await self.sign_in(email)

    async def grant(self, identifier: str, *, roles: tuple[str, ...], practices: list[str]) -> None:
        """As `millrace accounts grant` does it."""
        given = tuple(Role(role) for role in roles)
        await self.app.state.identity.roles.set(None, UUID(identifier), given, tuple(map(UUID, practices)))

    async def patient(self, email: str) -> Account:
        """Somebody with a profile."""
        account = await self.account(email)
        response = await self.client.put(account.path, json=PROFILE, headers=account.headers)
        assert response.status_code == 201, response.text
        return account

    async def published(self, count: int) -> list[Envelope]:
        """What the feed has, once it has that many."""

        def found() -> list[Envelope]:
            shards = self.transport.open_shards(STREAM)
            return [decode(each.body) for shard in shards for each in self.transport.records(STREAM, shard.shard_id)]

        await until(lambda: len(found()) >= count)
        return found()


@asynccontextmanager
async def running(settings: PatientsSettings, clock: ManualClock | None = None) -> AsyncIterator[Service]:
    """Prepare the database and run the service on it."""
    await prepare(settings)
    clock = clock or ManualClock()
    stream = MemoryTransport()
    stream.create_stream(STREAM)

    @asynccontextmanager
    async def transports() -> AsyncIterator[Transport]:
        yield stream

    app = create(settings, transports=transports, clock=clock)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://patients") as client,
        open_database(settings.patients_database_url, name="test", pool_size=2, seconds=5) as database,
    ):
        yield Service(app, client, clock, stream, settings, database)
