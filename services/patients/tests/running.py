"""Run the service with a manual clock and in-memory feeds; common steps of the tests."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from joserfc.jwk import RSAKey
from pydantic import SecretStr
from typer import Typer
from typer.testing import CliRunner

from millrace_contracts.envelope import Envelope
from millrace_feeds.errors import Unavailable as LedgerUnavailable
from millrace_feeds.testing import wait_until
from millrace_patients.directory.model import EntryKind
from millrace_patients.main import create
from millrace_patients.migrate import prepare
from millrace_patients.second_factor.model import current_step, generate_code
from millrace_patients.settings import PatientsSettings
from millrace_platform.authentication import PRIVILEGED_ROLES, Role
from millrace_platform.database import Database, open_database
from millrace_platform.errors import Unavailable
from millrace_platform.ids import Uuid7
from millrace_platform.testing import ManualClock, MemoryFeeds, run_app
from millrace_platform.unit_of_work import Envelopes, Event

PASSWORD = "a quiet sentence about rivers"
PRACTICE, OTHER_PRACTICE = "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058"
PLAN = "11512NC0100031"
UNKNOWN = "01890a5d-ac96-774b-bcce-000000000000"
PROFILE = {"given_name": "Ada", "family_name": "Lovelace", "birth_date": "1980-12-10"}


@cache
def signing_keys() -> SecretStr:
    """Return one key for all tests that need no other, because generating one is slow."""
    return SecretStr(json.dumps({"keys": [RSAKey.generate_key(2048).as_dict(private=True)]}))


def settings_for(database_url: str, **changes: Any) -> PatientsSettings:
    """Return settings with fast password hashing, a shared signing key and a new master key."""
    chosen = {
        "patients_database_url": database_url,
        "patients_master_keys": (SecretStr(base64.b64encode(os.urandom(32)).decode()),),
        "patients_signing_keys": signing_keys(),
        "patients_password_memory": 64,
        "auth_issuer": "https://millrace.example/v1/auth",
    }
    return PatientsSettings(**{**chosen, **changes})


def set_environment(monkeypatch: pytest.MonkeyPatch, settings: PatientsSettings) -> None:
    """Let commands use the database and the keys of these settings."""
    monkeypatch.setenv("MILLRACE_PATIENTS_DATABASE_URL", settings.patients_database_url)
    monkeypatch.setenv("MILLRACE_AUTH_ISSUER", settings.auth_issuer)
    keys = [key.get_secret_value() for key in settings.patients_master_keys]
    monkeypatch.setenv("MILLRACE_PATIENTS_MASTER_KEYS", json.dumps(keys))


async def run_command(command: Typer, *arguments: str) -> Any:
    """Run a command in a thread, because it starts its own event loop; return the result of `CliRunner`."""
    return await asyncio.to_thread(CliRunner().invoke, command, list(arguments))


@dataclass
class FakeDirectory:
    """Fake of the directory; `lookups` are the ids that were looked up, in order."""

    known: set[tuple[EntryKind, str]] = field(
        default_factory=lambda: {
            (EntryKind.PRACTICE, PRACTICE),
            (EntryKind.PRACTICE, OTHER_PRACTICE),
            (EntryKind.INSURANCE_PLAN, PLAN),
        }
    )
    is_available: bool = True
    lookups: list[str] = field(default_factory=list)

    async def exists(self, kind: EntryKind, identifier: str) -> bool:
        self.lookups.append(identifier)
        if not self.is_available:
            raise Unavailable
        return (kind, identifier) in self.known


@dataclass
class MemoryLedger:
    """Ledger of erasures in memory."""

    erased: dict[UUID, datetime] = field(default_factory=dict)
    is_available: bool = True

    async def add(self, person_id: UUID, erased_at: datetime) -> None:
        if not self.is_available:
            raise LedgerUnavailable("no ledger")
        self.erased.setdefault(person_id, erased_at)

    async def list(self) -> AsyncIterator[UUID]:
        for person_id in self.erased:
            yield person_id


@dataclass
class Account:
    """Signed-in account; `headers` carry the access token. `secret` and `recovery_codes`: of its second factor."""

    id: str
    email: str
    tokens: dict[str, Any]
    secret: bytes = b""
    recovery_codes: tuple[str, ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    def headers_with(self, purpose: str) -> dict[str, str]:
        return {**self.headers, "Purpose-Of-Use": purpose}

    @property
    def path(self) -> str:
        return f"/v1/patients/{self.id}"


@dataclass
class Service:
    """Running service and its client."""

    app: FastAPI
    client: httpx.AsyncClient
    clock: ManualClock
    feeds: MemoryFeeds
    settings: PatientsSettings
    database: Database
    directory: FakeDirectory
    ledger: MemoryLedger
    consumed: int = 0

    async def publish(self, *events: Event) -> None:
        """Publish events on the `entities` feed and wait until they were consumed."""
        self.consumed += len(events)
        await self.feeds.publish(*Envelopes("/services/refinery", self.clock, Uuid7()).of(events))

        async def is_consumed() -> bool:
            status = (await self.client.get("/internal/patients/status")).json()["consumer"]
            return bool(status["handled"] + status["parked"] >= self.consumed)

        await wait_until(is_consumed)

    async def post(self, path: str, body: Any, *, source: str = "198.51.100.1") -> httpx.Response:
        return await self.client.post(path, json=body, headers={"X-Forwarded-For": source})

    async def queued_emails(self) -> list[dict[str, Any]]:
        """Return the queued emails, oldest first."""
        emails: list[dict[str, Any]] = (await self.client.get("/internal/patients/outbox")).json()["items"]
        return emails

    async def emailed_token(self, address: str, kind: str) -> str:
        """Return the newest token emailed to the address."""
        emails = [each for each in await self.queued_emails() if (each["to"], each["kind"]) == (address, kind)]
        token: str = emails[-1]["token"]
        return token

    async def sign_up(self, email: str, password: str = PASSWORD) -> str:
        """Create an account from a source of its own, so that several in one test are not throttled; return its id."""
        source = f"2001:db8:0:{abs(hash(email)) % 65536:x}::1"
        assert (await self.post("/v1/auth/sign-up", {"email": email}, source=source)).status_code == 202
        token = await self.emailed_token(email, "verify_email")
        response = await self.post("/v1/auth/verify-email", {"token": token, "password": password})
        assert response.status_code == 201, response.text
        identifier: str = response.json()["id"]
        return identifier

    async def try_sign_in(
        self,
        email: str,
        password: str = PASSWORD,
        *,
        source: str = "198.51.100.1",
        device: str | None = None,
        code: str | None = None,
    ) -> httpx.Response:
        optional = {"device_token": device, "code": code}
        body = {"email": email, "password": password} | {name: text for name, text in optional.items() if text}
        return await self.post("/v1/auth/sign-in", body, source=source)

    async def sign_in(self, email: str, password: str = PASSWORD, **options: Any) -> Account:
        response = await self.try_sign_in(email, password, **options)
        assert response.status_code == 200, response.text
        tokens = response.json()
        return Account(tokens["subject"], email, tokens)

    async def account(self, email: str, *roles: str, practices: list[str] | None = None) -> Account:
        """Create an account with these roles and sign in."""
        identifier = await self.sign_up(email)
        if roles:
            # Like `millrace accounts grant`.
            granted = tuple(map(Role, roles)), tuple(map(UUID, practices or ()))
            await self.app.state.identity.roles.set(None, UUID(identifier), *granted)
            if not PRIVILEGED_ROLES.isdisjoint(granted[0]):
                return await self.enroll(await self.sign_in(email))
        return await self.sign_in(email)

    async def enroll(self, account: Account) -> Account:
        """Set up a second factor; return the account with its secret and with tokens that have all its roles."""
        created = await self.client.post("/v1/auth/second-factor", headers=account.headers)
        assert created.status_code == 201, created.text
        secret = base64.b32decode(created.json()["secret"])
        body = {"code": generate_code(secret, current_step(self.clock.now))}
        confirmed = await self.client.post("/v1/auth/second-factor/confirm", json=body, headers=account.headers)
        assert confirmed.status_code == 200, confirmed.text
        refreshed = await self.post("/v1/auth/refresh", {"refresh_token": account.tokens["refresh_token"]})
        tokens = {**account.tokens, **refreshed.json(), "device_token": account.tokens["device_token"]}
        return Account(account.id, account.email, tokens, secret, tuple(confirmed.json()["recovery_codes"]))

    async def patient(self, email: str) -> Account:
        """Create an account with a profile."""
        account = await self.account(email)
        response = await self.client.put(account.path, json=PROFILE, headers=account.headers)
        assert response.status_code == 201, response.text
        return account

    async def published(self, count: int) -> list[Envelope]:
        """Wait until the feed has at least `count` events and return all."""

        await wait_until(lambda: len(self.feeds.envelopes()) >= count)
        return self.feeds.envelopes()


@asynccontextmanager
async def running(settings: PatientsSettings, clock: ManualClock | None = None) -> AsyncIterator[Service]:
    """Prepare the database and run the service on it."""
    await prepare(settings)
    clock, feeds, directory, ledger = clock or ManualClock(), MemoryFeeds(), FakeDirectory(), MemoryLedger()
    infrastructure = feeds.infrastructure(clock)
    app = create(settings, infrastructure, lambda *_: nullcontext(directory), lambda _settings: nullcontext(ledger))
    async with (
        run_app(app) as client,
        open_database(settings.patients_database_url, name="test", pool_size=2, seconds=5) as database,
    ):
        yield Service(app, client, clock, feeds, settings, database, directory, ledger)
