"""The service as it runs, with a clock to turn, a feed in memory, and stand-ins for SES and `patients`."""

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
from millrace_notifications.account_mail.forwarder import AccountMails
from millrace_notifications.delivery.dispatcher import Dispatcher
from millrace_notifications.delivery.fan_out import FanOut
from millrace_notifications.endpoint.model import Secrets
from millrace_notifications.feed.handler import FeedHandler
from millrace_notifications.feed.visits import Visits
from millrace_notifications.figures import Figures
from millrace_notifications.mail.memory import MemoryMailer
from millrace_notifications.mail.pace import Pace
from millrace_notifications.network.client import Answer, PostFailedError
from millrace_notifications.network.urls import Target
from millrace_notifications.patients_client import AccountMail, Contact, PatientsAwayError
from millrace_notifications.timer.sender import LetterSender
from millrace_notifications.timer.service import Timers
from millrace_notifications.worker import Worker
from millrace_platform.database import Database, open_database
from millrace_platform.ids import Uuid7
from millrace_platform.testing import ManualClock

START = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
"""A Monday; ten in the morning in New York."""
NPI = "1234567893"
PLACE = "11111111-1111-5111-8111-111111111111"
PRACTICE = "01890a5d-ac96-774b-bcce-b302099a8057"
OTHER_PRACTICE = "01890a5d-ac96-774b-bcce-b302099a8058"
ADA = "01890a5d-ac96-774b-bcce-000000000001"
URL = "https://millrace.example"
SECRETS = Secrets.of([b"k" * 32])


class FakePatients:
    """What `patients` answers: addresses by id, and the mails of accounts. While `away`, nothing."""

    def __init__(self) -> None:
        self.contacts: dict[str, Contact] = {ADA: Contact("ada@example.org", "Ada")}
        self.mails: list[AccountMail] = []
        self.away = False
        self.asked: list[str] = []
        self.before_answer: Callable[[], Any] | None = None

    async def contact(self, patient_id: str) -> Contact | None:
        self._check()
        self.asked.append(patient_id)
        if self.before_answer is not None:
            await self.before_answer()
        return self.contacts.get(patient_id)

    async def waiting(self) -> Sequence[AccountMail]:
        self._check()
        return tuple(self.mails)

    async def remove(self, identifier: uuid.UUID) -> None:
        self._check()
        self.mails = [mail for mail in self.mails if mail.id != identifier]

    def _check(self) -> None:
        if self.away:
            raise PatientsAwayError("away")


@dataclass
class FakeReceiver:
    """The other side of webhooks: answers as told, and keeps what came."""

    status: int | str = 200
    """A status, or the code of a failure."""
    retry_after: int | None = None
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    async def post(self, target: Target, headers: Any, body: bytes) -> Answer:
        self.got.append((target.authority, dict(headers), body))
        if isinstance(self.status, str):
            raise PostFailedError(self.status)
        return Answer(self.status, self.retry_after)


class Feed:
    """Records of `entities`."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._sequence = itertools.count(1)
        self._versions: dict[str, int] = {}

    def record(self, entity: Entity, *, version: int | None = None, replay: bool = False) -> Record:
        """Its next version, unless one is given."""
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


def place(practice: str | None = PRACTICE) -> ProviderLocation:
    return ProviderLocation(
        id=PLACE,
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
        "provider_location_id": PLACE,
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
        provider_location_id=PLACE,
        npi=NPI,
        patient_id=ADA,
        start=start.isoformat(),
        minutes=30,
        expires_at=expires_at.isoformat(),
        state=state,  # type: ignore[arg-type] # the tests name only states that there are
        time_zone="America/New_York",
    )


def erased() -> Patient:
    return Patient(id=ADA, state="erased")


@dataclass
class Bench:
    """All that works in the background, on one database; nothing runs by itself."""

    database: Database
    clock: ManualClock
    feed: Feed
    handler: FeedHandler
    mailer: MemoryMailer
    patients: FakePatients
    receiver: FakeReceiver
    letters: LetterSender
    dispatcher: Dispatcher
    account_mails: AccountMails

    async def tell(self, *entities: Entity, replay: bool = False) -> None:
        """As the consumer hands them in."""
        await self.handler.handle([self.feed.record(entity, replay=replay) for entity in entities])

    async def send_due(self) -> list[str]:
        """Send the letters that are due; the kinds that left."""
        before = len(self.mailer.sent)
        while await Worker("letters", self.letters.claim, self.letters.send, 8).once():
            pass
        return sorted(mail.kind for mail in self.mailer.sent[before:])

    async def deliver_due(self) -> int:
        """Deliver what is due; how many tries that took."""
        tries = 0
        while tried := await Worker("deliveries", self.dispatcher.claim, self.dispatcher.deliver, 32).once():
            tries += tried
        return tries


@asynccontextmanager
async def bench(dsn: str, clock: ManualClock | None = None, seed: int = 1) -> AsyncIterator[Bench]:
    """Put all parts upon a migrated database; twice on one database is a restart."""
    clock = clock or ManualClock(START)
    async with open_database(dsn, name="test", pool_size=8, seconds=5) as database:
        yield _bench(database, clock, seed)


def _bench(database: Database, clock: ManualClock, seed: int) -> Bench:
    ids, random, figures = Uuid7(clock), Random(seed), Figures()
    mailer, patients, receiver = MemoryMailer(), FakePatients(), FakeReceiver()
    timers = Timers(clock, ids)
    sending: dict[str, Any] = {"mailer": mailer, "url": URL, "clock": clock, "ids": ids, "random": random}
    return Bench(
        database=database,
        clock=clock,
        feed=Feed(clock),
        handler=FeedHandler(database, Visits(timers, FanOut(ids), clock), timers, clock),
        mailer=mailer,
        patients=patients,
        receiver=receiver,
        letters=LetterSender(database=database, contacts=patients, figures=figures, pace=Pace(1000, clock), **sending),
        dispatcher=Dispatcher(database, receiver, SECRETS, False, clock, ids, random, figures),
        account_mails=AccountMails(database=database, outbox=patients, interval=1.0, figures=figures, **sending),
    )
