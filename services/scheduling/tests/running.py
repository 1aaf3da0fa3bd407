"""The running service with a manual clock and in-memory feeds, and common steps of tests."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx
from fastapi import FastAPI
from sqlalchemy import select

from millrace_contracts.entities import Address, Patient, ProviderLocation
from millrace_contracts.envelope import Envelope
from millrace_contracts.registry import PATIENT, PROVIDER_LOCATION
from millrace_feeds.testing import wait_until
from millrace_platform.authentication import Principal, Role
from millrace_platform.database import Database, open_database
from millrace_platform.errors import Unavailable
from millrace_platform.ids import Uuid7
from millrace_platform.testing import SERVICE_KEY, ManualClock, MemoryFeeds, run_app
from millrace_platform.tokens import InvalidTokenError
from millrace_platform.unit_of_work import Envelopes, Event
from millrace_scheduling.hold.repository import ReservationGuard
from millrace_scheduling.main import create
from millrace_scheduling.migrate import migrate
from millrace_scheduling.patient.model import BookingPermissions
from millrace_scheduling.patient.repository import patients
from millrace_scheduling.settings import SchedulingSettings

START = 1_795_000_000.0
"""2026-11-18T11:06:40Z, a Wednesday."""
PRACTICE = "01890a5d-ac96-774b-bcce-b302099a8057"
UNKNOWN = "01890a5d-ac96-774b-bcce-000000000000"
"""A UUID that no resource has."""
NAMESPACE = UUID("c7d4a27e-32f1-4f9b-8a3f-0f1f6a0a51b1")

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")
CALENDAR: dict[str, Any] = {
    "weekly_hours": [{"weekday": day, "opens": "09:00", "closes": "17:00"} for day in WEEKDAYS],
    "visit_types": [{"id": "visit", "name": "Visit", "minutes": 30}],
    "grid_minutes": 30,
    "horizon_days": 14,
}


class PlainTokenVerifier:
    """Fake verifier whose tokens state the caller, e.g. `staff:<practice>` or `patient:<id>`."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    async def verify(self, token: str) -> Principal:
        role, _, name = token.partition(":")
        if role not in set(Role):
            raise InvalidTokenError("no such role")
        now = self._clock.time()
        is_staff = role == Role.STAFF
        subject = uuid5(NAMESPACE, token) if is_staff or not name else UUID(name)
        practices = frozenset(filter(None, name.split(","))) if is_staff else frozenset[str]()
        return Principal(subject, frozenset({Role(role)}), practices, now, now + 900, now)


def bearer(role: str, name: str = "") -> dict[str, str]:
    return {"Authorization": f"Bearer {role}:{name}"}


STAFF = bearer("staff", PRACTICE)
ADMIN = bearer("admin")


def provider_location(
    identifier: str, npi: str, practice: str | None = PRACTICE, time_zone: str = "America/New_York"
) -> ProviderLocation:
    return ProviderLocation(
        id=identifier,
        npi=npi,
        location_id=str(uuid4()),
        address=Address(line1="1 Main St", city="New York", state="NY", zip="10001"),
        taxonomy="207N00000X",
        practice_id=practice,
        time_zone=time_zone,
    )


def settings_for(database_url: str, **changes: Any) -> SchedulingSettings:
    """Return settings with short intervals."""
    pauses = dict.fromkeys(("openings", "lapse", "waitlist"), 0.02)
    chosen: dict[str, Any] = {
        "scheduling_database_url": database_url,
        "scheduling_patients_keys": SERVICE_KEY,
        "audit_key": "A" * 43,
    }
    chosen |= {f"scheduling_{name}_interval": pause for name, pause in pauses.items()}
    return SchedulingSettings(**{**chosen, **changes})


@dataclass
class FakePatients:
    """Fake of the service `patients`: every patient may book, without records unless `permissions` says otherwise.

    `lookups` are the ids of the patients that were looked up, in order.
    """

    permissions: dict[UUID, BookingPermissions] = field(default_factory=dict)
    is_available: bool = True
    lookups: list[UUID] = field(default_factory=list)

    async def find_permissions(self, patient_id: UUID) -> BookingPermissions:
        self.lookups.append(patient_id)
        if not self.is_available:
            raise Unavailable
        return self.permissions.get(patient_id, BookingPermissions(may_book=True))


@dataclass
class Service:
    """A running service and its client."""

    app: FastAPI
    client: httpx.AsyncClient
    clock: ManualClock
    feeds: MemoryFeeds
    settings: SchedulingSettings
    database: Database
    patients: FakePatients
    _npis: Any = field(default_factory=lambda: itertools.count(1_000_000_001))

    async def add_provider_location(
        self,
        *,
        npi: str | None = None,
        practice: str | None = PRACTICE,
        time_zone: str = "America/New_York",
        calendar: dict[str, Any] | None = None,
    ) -> str:
        """Publish a provider-location, wait until it is stored, and put its calendar; return its id."""
        entity = provider_location(str(uuid4()), npi or str(next(self._npis)), practice, time_zone)
        await self.publish(Event.of_entity(PROVIDER_LOCATION, entity, action="created", version=1))

        async def is_stored() -> bool:
            response = await self.client.get(f"/v1/calendars/{entity.id}", headers=ADMIN)
            return "no calendar" in response.json().get("detail", "")

        await wait_until(is_stored)
        if calendar is not None:
            response = await self.client.put(f"/v1/calendars/{entity.id}", json=calendar, headers=ADMIN)
            assert response.status_code == 201, response.text
        return entity.id

    async def add_patient(self, patient: Patient, version: int = 1) -> None:
        """Publish a version of a patient and wait until it is stored."""
        await self.publish(Event.of_entity(PATIENT, patient, action="created", version=version))

        async def is_stored() -> bool:
            async with self.database.read() as session:
                query = select(patients.c.version).where(patients.c.id == UUID(patient.id))
                return (await session.scalar(query) or 0) >= version

        await wait_until(is_stored)

    async def publish(self, *events: Event) -> None:
        """Publish events on the `entities` feed."""
        envelopes = Envelopes("/services/refinery", self.clock, Uuid7()).of(events)
        await self.feeds.publish(*envelopes)

    def published(self) -> list[Envelope]:
        """Return all events that the service has published."""
        return self.feeds.envelopes()

    def latest(self, entity: str) -> dict[str, Envelope]:
        """Return the latest event of each entity of a kind, by subject."""
        found = [each for each in self.published() if each.entity == entity]
        return {each.subject: each for each in sorted(found, key=lambda each: each.entityversion)}


@asynccontextmanager
async def running(
    settings: SchedulingSettings, clock: ManualClock | None = None, *, guard: ReservationGuard | None = None
) -> AsyncIterator[Service]:
    """Migrate the database and run the service on it."""
    await migrate(settings.scheduling_database_url)
    clock, feeds = clock or ManualClock(START), MemoryFeeds()
    infrastructure = feeds.infrastructure(clock, open_verifier=lambda *_: nullcontext(PlainTokenVerifier(clock)))
    fake_patients = FakePatients()
    app = create(settings, infrastructure, guard, lambda *_: nullcontext(fake_patients))
    async with (
        run_app(app) as client,
        open_database(settings.scheduling_database_url, name="test", pool_size=2, seconds=5) as database,
    ):
        yield Service(app, client, clock, feeds, settings, database, fake_patients)
