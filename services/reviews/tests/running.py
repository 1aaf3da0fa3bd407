"""Run the service with a manual clock and in-memory feeds; common steps of the tests."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import msgspec
from fastapi import FastAPI

from millrace_contracts.entities import Address, Appointment, Entity, Patient, ProviderLocation
from millrace_contracts.envelope import Envelope, encode
from millrace_contracts.registry import APPOINTMENT, PATIENT, PROVIDER_LOCATION, Contract
from millrace_feeds.clock import Clock, rfc3339
from millrace_feeds.testing import wait_until
from millrace_feeds.transport import OutgoingRecord
from millrace_platform.database import Database, open_database
from millrace_platform.testing import ENTITIES, ManualClock, MemoryFeeds, access_token, run_app
from millrace_reviews.main import create
from millrace_reviews.migrate import migrate
from millrace_reviews.settings import ReviewsSettings

DAY = 86_400.0
NPI, OTHER_NPI = "1679576722", "1234567893"
PRACTICE, OTHER_PRACTICE = "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058"
UNKNOWN = "01890a5d-ac96-774b-bcce-000000000000"
STARS = {"overall": 5, "bedside_manner": 4, "wait_time": 3}


@dataclass
class Caller:
    """Caller with an access token."""

    id: str
    headers: dict[str, str]

    def at(self, version: int | str) -> dict[str, str]:
        """Return the headers with this version as `If-Match`."""
        return {**self.headers, "If-Match": f'"{version}"'}


def caller_of(settings: ReviewsSettings, *roles: str, practices: tuple[str, ...] = ()) -> Caller:
    """Return a new caller with a token that stays valid when a test advances the clock."""
    subject = uuid4()
    token = access_token(settings, ManualClock(), *roles, practices=practices, subject=subject, lifetime=1000 * DAY)
    return Caller(str(subject), {"Authorization": f"Bearer {token}"})


@dataclass
class Service:
    """Running service and its client."""

    app: FastAPI
    client: httpx.AsyncClient
    clock: ManualClock
    feeds: MemoryFeeds
    settings: ReviewsSettings
    database: Database
    handled: int = 0

    def caller(self, *roles: str, practices: tuple[str, ...] = ()) -> Caller:
        """Return a new caller; a patient if no roles are given."""
        return caller_of(self.settings, *roles, practices=practices)

    def staff(self, practice: str = PRACTICE) -> Caller:
        return self.caller("staff", practices=(practice,))

    async def publish_entity(
        self, contract: Contract[Any], entity: Entity, version: int = 1, *, deleted: bool = False
    ) -> None:
        """Publish an entity on `entities` and wait until it was consumed."""
        await self.put_raw(contract.subject(entity), envelope(contract, entity, version, deleted, self.clock.time()))

    async def put_raw(self, key: str, body: bytes) -> None:
        self.handled += 1
        await self.feeds.transport.put_records(ENTITIES, [OutgoingRecord(key, body)])

        async def is_consumed() -> bool:
            status = (await self.client.get("/internal/reviews/status")).json()["consumer"]
            return bool(status["handled"] + status["parked"] >= self.handled)

        await wait_until(is_consumed)

    async def appointment(self, patient: Caller | str, **changes: Any) -> Appointment:
        """Publish an appointment, by default completed now."""
        version = changes.pop("version", 1)
        created = appointment_of(patient if isinstance(patient, str) else patient.id, self.clock, **changes)
        await self.publish_entity(APPOINTMENT, created, version)
        return created

    async def publish_location(self, identifier: str, practice_id: str | None, version: int = 1) -> None:
        created = ProviderLocation(
            id=identifier,
            npi=NPI,
            location_id=UNKNOWN,
            address=Address(line1="1 Main St", city="New York", state="NY", zip="10001"),
            taxonomy="207N00000X",
            practice_id=practice_id,
        )
        await self.publish_entity(PROVIDER_LOCATION, created, version)

    async def erase(self, patient: Caller, version: int = 2) -> None:
        await self.publish_entity(PATIENT, Patient(id=patient.id, state="erased"), version)

    async def try_review(self, patient: Caller, appointment_id: str, **changes: Any) -> httpx.Response:
        body = {"appointment_id": appointment_id, **STARS, **changes}
        return await self.client.post("/v1/reviews", json=body, headers=patient.headers)

    async def review(self, patient: Caller | None = None, *, npi: str = NPI, **changes: Any) -> dict[str, Any]:
        """Create a review of a new visit and return it."""
        patient = patient or self.caller()
        visit = await self.appointment(patient, npi=npi)
        response = await self.try_review(patient, visit.id, **changes)
        assert response.status_code == 201, response.text
        created: dict[str, Any] = response.json()
        return created

    async def public(self, npi: str = NPI) -> list[dict[str, Any]]:
        response = await self.client.get("/v1/reviews", params={"npi": npi})
        assert response.status_code == 200, response.text
        items: list[dict[str, Any]] = response.json()["items"]
        return items

    async def decide(self, review_id: str, version: int, state: str, reason: str | None = None) -> httpx.Response:
        return await self.client.put(
            f"/v1/reviews/{review_id}/moderation",
            json={"state": state, "reason": reason},
            headers=self.caller("support").at(version),
        )

    async def published(self) -> list[Envelope]:
        """Wait until the outbox is empty and return all published events."""

        async def is_outbox_empty() -> bool:
            status = (await self.client.get("/internal/reviews/status")).json()
            return bool(status["outbox"]["backlog"] == 0)

        await wait_until(is_outbox_empty)
        return self.feeds.envelopes()

    async def summaries(self, npi: str = NPI) -> list[tuple[int, Any]]:
        """Return the published versions and states of a provider's summary."""
        return [
            (each.entityversion, json.loads(bytes(each.data)))
            for each in await self.published()
            if each.subject == f"review-summary/{npi}"
        ]


def appointment_of(patient_id: str, clock: Clock, **changes: Any) -> Appointment:
    """Return an appointment of two hours ago that was completed now."""
    values: dict[str, Any] = {
        "id": str(uuid4()),
        "provider_location_id": UNKNOWN,
        "npi": NPI,
        "patient_id": patient_id,
        "start": "2027-01-15T01:00:00-05:00",
        "minutes": 30,
        "state": "completed",
        "practice_id": PRACTICE,
        "completed_at": rfc3339(clock.time()),
    }
    return Appointment(**{**values, **changes})


def envelope(contract: Contract[Any], entity: Entity, version: int, deleted: bool, now: float) -> bytes:
    subject = contract.subject(entity)
    return encode(
        Envelope(
            id=str(uuid4()),
            source="/services/test",
            type=f"millrace.{contract.name}.updated",
            subject=subject,
            time=rfc3339(now),
            dataschema=contract.dataschema,
            partitionkey=subject,
            entityversion=version,
            data=msgspec.Raw(b"null" if deleted else msgspec.json.encode(entity)),
        )
    )


@asynccontextmanager
async def running(url: str, clock: ManualClock | None = None, **changes: Any) -> AsyncIterator[Service]:
    """Migrate the database and run the service on it, with changes of its settings."""
    await migrate(url)
    settings = ReviewsSettings(reviews_database_url=url, audit_key="A" * 43, **changes)
    clock, feeds = clock or ManualClock(), MemoryFeeds()
    app = create(settings, feeds.infrastructure(clock))
    async with run_app(app) as client, open_database(url, name="test", pool_size=2, seconds=5) as database:
        yield Service(app, client, clock, feeds, settings, database)
