"""Harness: the parts of the service with a manual clock and fakes of SES, `patients` and webhook endpoints."""

import itertools
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import msgspec

from millrace_contracts import registry
from millrace_contracts.entities import Address, Appointment, Entity, Patient, Provider, ProviderLocation, WaitlistOffer
from millrace_contracts.envelope import Envelope, encode
from millrace_feeds.clock import rfc3339
from millrace_feeds.transport import Record
from millrace_notifications.account_email.forwarder import AccountEmailForwarder
from millrace_notifications.delivery.dispatcher import PER_PROMPT_ENDPOINT, PER_SLOW_ENDPOINT, Dispatcher
from millrace_notifications.delivery.fan_out import FanOut
from millrace_notifications.delivery.model import Shares
from millrace_notifications.email.memory import MemoryMailer
from millrace_notifications.email.token_bucket import TokenBucket
from millrace_notifications.endpoint.model import Secrets
from millrace_notifications.feed.appointments import AppointmentUpdater
from millrace_notifications.feed.handler import FeedHandler
from millrace_notifications.feed.provider_locations import ProviderLocationUpdater
from millrace_notifications.network.client import PostFailedError, PostResponse
from millrace_notifications.network.urls import Target
from millrace_notifications.patients_client import AccountEmail, Contact, PatientsUnavailableError
from millrace_notifications.scheduled_email.sender import EmailSender
from millrace_notifications.scheduled_email.service import EmailScheduler
from millrace_notifications.stats import Stats
from millrace_notifications.worker import Worker
from millrace_platform.database import Database, open_database
from millrace_platform.ids import Uuid7
from millrace_platform.testing import ManualClock

START = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
"""Monday, 10:00 in New York."""
NPI = "1234567893"
PROVIDER_LOCATION_ID = "11111111-1111-5111-8111-111111111111"
PRACTICE = "01890a5d-ac96-774b-bcce-b302099a8057"
OTHER_PRACTICE = "01890a5d-ac96-774b-bcce-b302099a8058"
ADA = "01890a5d-ac96-774b-bcce-000000000001"
URL = "https://millrace.example"
SECRETS = Secrets.of([b"k" * 32])


class FakePatients:
    """Fake of `patients` with contacts and queued account emails. Calls fail while `unavailable` is set."""

    def __init__(self) -> None:
        self.contacts: dict[str, Contact] = {ADA: Contact("ada@example.org")}
        self.emails: list[AccountEmail] = []
        self.unavailable = False
        self.lookups: list[str] = []
        self.before_response: Callable[[], Any] | None = None

    async def find_contact(self, patient_id: str) -> Contact | None:
        self._check()
        self.lookups.append(patient_id)
        if self.before_response is not None:
            await self.before_response()
        return self.contacts.get(patient_id)

    async def list_emails(self) -> Sequence[AccountEmail]:
        self._check()
        return tuple(self.emails)

    async def delete(self, identifier: uuid.UUID) -> None:
        self._check()
        self.emails = [each for each in self.emails if each.id != identifier]

    def _check(self) -> None:
        if self.unavailable:
            raise PatientsUnavailableError("unavailable")


@dataclass
class FakePoster:
    """Fake of the HTTP client: stores requests as (authority, headers, body) and returns the configured response."""

    status: int | str = 200
    """Status of responses, or the code of a failure."""
    retry_after: int | None = None
    clock: ManualClock | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """Duration of the responses of an authority, by which it moves `clock`."""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    async def post(self, target: Target, headers: Any, body: bytes) -> PostResponse:
        self.requests.append((target.authority, dict(headers), body))
        if self.clock is not None:
            self.clock.advance(seconds=self.seconds.get(target.authority, 0.0))
        if isinstance(self.status, str):
            raise PostFailedError(self.status)
        return PostResponse(self.status, self.retry_after)


class Feed:
    """Creates records of `entities` with increasing versions."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._sequence = itertools.count(1)
        self._versions: dict[str, int] = {}

    def record(self, entity: Entity, *, version: int | None = None, replay: bool = False) -> Record:
        """Return a record of the entity, by default with the entity's next version."""
        contract = next(each for each in registry.CONTRACTS.values() if isinstance(entity, each.type))
        subject = contract.subject(entity)
        if version is None:
            version = self._versions.get(subject, 0) + 1
        self._versions[subject] = version
        envelope = Envelope(
            id=str(uuid.uuid4()),
            source="/services/scheduling",
            type=f"millrace.{contract.name}.updated",
            subject=subject,
            time=rfc3339(self._clock.time()),
            dataschema=contract.dataschema,
            partitionkey=subject,
            entityversion=version,
            data=msgspec.Raw(msgspec.json.encode(entity)),
            replay=replay,
        )
        return Record("entities", "shard-0", str(next(self._sequence)), subject, encode(envelope), self._clock.time())


def provider() -> Provider:
    return Provider(
        npi=NPI, first_name="Maria", last_name="Ruiz", taxonomy="207N00000X", display_name="Maria O'Connell-Ruiz, MD"
    )


def provider_location(practice: str | None = PRACTICE) -> ProviderLocation:
    return ProviderLocation(
        id=PROVIDER_LOCATION_ID,
        npi=NPI,
        location_id="00000000-0000-5000-8000-000000000001",
        address=Address(line1="1 Main St", line2="Suite 2", city="New York", state="NY", zip="10001"),
        taxonomy="207N00000X",
        practice_id=practice,
        practice_name="Harbor Clinic",
        phone="+12125550142",
        time_zone="America/New_York",
    )


def appointment(start: datetime, state: str = "booked", identifier: str = "a1", **changes: Any) -> Appointment:
    fields = {
        "id": identifier,
        "provider_location_id": PROVIDER_LOCATION_ID,
        "npi": NPI,
        "patient_id": ADA,
        "start": start.isoformat(),
        "minutes": 30,
        "state": state,
        "practice_id": PRACTICE,
        "time_zone": "America/New_York",
    }
    return Appointment(**{**fields, **changes})


def offer(start: datetime, expires_at: datetime, state: str = "offered") -> WaitlistOffer:
    return WaitlistOffer(
        id="o1",
        waitlist_entry_id="w1",
        hold_id="h1",
        provider_location_id=PROVIDER_LOCATION_ID,
        npi=NPI,
        patient_id=ADA,
        start=start.isoformat(),
        minutes=30,
        expires_at=expires_at.isoformat(),
        state=state,  # type: ignore[arg-type] # tests only pass valid states
        time_zone="America/New_York",
    )


def erased_patient() -> Patient:
    return Patient(id=ADA, state="erased")


@dataclass
class Harness:
    """The background parts of the service on one database. Nothing runs on its own."""

    database: Database
    clock: ManualClock
    feed: Feed
    handler: FeedHandler
    mailer: MemoryMailer
    patients: FakePatients
    poster: FakePoster
    sender: EmailSender
    dispatcher: Dispatcher
    slow_dispatcher: Dispatcher
    account_emails: AccountEmailForwarder

    async def consume(self, *entities: Entity, replay: bool = False) -> None:
        """Pass the next versions of the entities to the handler in one batch."""
        await self.handler.handle([self.feed.record(entity, replay=replay) for entity in entities])

    async def send_due(self) -> list[str]:
        """Send the due emails and return their kinds."""
        before = len(self.mailer.sent)
        while await Worker("emails", self.sender.lease_due, self.sender.send, 8).run_once():
            pass
        return sorted(email.kind for email in self.mailer.sent[before:])

    async def deliver_due(self) -> int:
        """Deliver due messages and return the number of attempts."""
        attempts = 0
        while count := sum([await _deliver_once(each) for each in (self.dispatcher, self.slow_dispatcher)]):
            attempts += count
        return attempts


async def _deliver_once(dispatcher: Dispatcher) -> int:
    return await Worker("deliveries", dispatcher.lease_due, dispatcher.deliver, 32).run_once()


@asynccontextmanager
async def open_harness(dsn: str, clock: ManualClock | None = None, seed: int = 1) -> AsyncIterator[Harness]:
    """Open a harness on a migrated database. Opening another on the same database simulates a restart."""
    clock = clock or ManualClock(START)
    async with open_database(dsn, name="test", pool_size=8, seconds=5) as database:
        yield _wire(database, clock, seed)


def _wire(database: Database, clock: ManualClock, seed: int) -> Harness:
    ids, random, stats = Uuid7(clock), Random(seed), Stats()
    mailer, patients, poster = MemoryMailer(), FakePatients(), FakePoster(clock=clock)
    scheduler, fan_out = EmailScheduler(clock, ids), FanOut(ids)
    rate_limit = TokenBucket(1000, clock)
    return Harness(
        database=database,
        clock=clock,
        feed=Feed(clock),
        handler=FeedHandler(
            database,
            AppointmentUpdater(scheduler, fan_out, clock),
            ProviderLocationUpdater(fan_out, clock),
            scheduler,
            clock,
        ),
        mailer=mailer,
        patients=patients,
        poster=poster,
        sender=EmailSender(database, patients, mailer, rate_limit, URL, clock, ids, random, stats),
        dispatcher=Dispatcher(
            True, Shares.of(32, PER_PROMPT_ENDPOINT), database, poster, SECRETS, False, clock, ids, random, stats
        ),
        slow_dispatcher=Dispatcher(
            False, Shares.of(32, PER_SLOW_ENDPOINT), database, poster, SECRETS, False, clock, ids, random, stats
        ),
        account_emails=AccountEmailForwarder(database, patients, mailer, URL, 1.0, clock, ids, random, stats),
    )
