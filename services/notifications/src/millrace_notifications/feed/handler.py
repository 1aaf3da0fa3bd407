"""The consumer's handler: one transaction for a batch, each entity's effects under the condition of its version."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from millrace_contracts.entities import Appointment, Entity, Patient, Provider, ProviderLocation, WaitlistOffer
from millrace_contracts.envelope import ContractError, Envelope, decode
from millrace_contracts.registry import APPOINTMENT, PATIENT, PROVIDER, PROVIDER_LOCATION, WAITLIST_OFFER, entity_of
from millrace_feeds.clock import Clock, utc_now
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.handler import is_outage
from millrace_feeds.transport import Record
from millrace_notifications.appointment.wire import visit
from millrace_notifications.feed.visits import Change, Visits
from millrace_notifications.place import repository as places
from millrace_notifications.place import wire as place_wire
from millrace_notifications.place.model import Place
from millrace_notifications.place.model import Provider as NamedProvider
from millrace_notifications.timer.service import Timers
from millrace_notifications.waitlist_offer import repository as offers
from millrace_notifications.waitlist_offer.model import Offer, plan
from millrace_notifications.waitlist_offer.wire import offer
from millrace_notifications.wire import moment
from millrace_platform.database import Database, Session
from millrace_platform.errors import Conflict, TimedOut, Unavailable

WANTED: Final = frozenset(
    contract.name for contract in (PROVIDER, PROVIDER_LOCATION, APPOINTMENT, WAITLIST_OFFER, PATIENT)
)
_AWAY: Final = (Unavailable, TimedOut, Conflict)


@dataclass(frozen=True, slots=True)
class _Read:
    record: Record
    envelope: Envelope
    entity: Entity


@dataclass(frozen=True, slots=True)
class FeedHandler:
    """Keeps copies of providers and places, and turns visits, offers and erasures into timers and messages."""

    database: Database
    visits: Visits
    timers: Timers
    clock: Clock

    async def handle(self, records: Sequence[Record]) -> None:
        """See `Handler`. What was deleted at its owner stays as it was last: letters may still have to name it."""
        found = [read for record in records if (read := _read(record)) is not None]
        if not found:
            return
        async with self.database.transaction() as session:
            # Copies first: a visit of the same batch may be the first at its place.
            await places.put_providers(session, _providers(found))
            await places.put_places(session, _places(found))
            await self.visits.apply(session, _changes(found))
            for read in found:
                if isinstance(read.entity, WaitlistOffer):
                    await self._offer(session, _offer(read, read.entity))
                elif isinstance(read.entity, Patient) and read.entity.state == "erased":
                    await self.timers.erase(session, read.entity.id)

    async def _offer(self, session: Session, offer: Offer) -> None:
        if await offers.advance(session, offer.id, offer.version):
            await self.timers.apply(session, [plan(offer, utc_now(self.clock))])


def is_away(error: BaseException) -> bool:
    """Whether the database can't be used now, or another came first, as opposed to a record that can't be applied."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_away(inner) for inner in error.exceptions)
    return isinstance(error, _AWAY) or is_outage(error)


def _read(record: Record) -> _Read | None:
    """None for what isn't wanted, and for deletions."""
    with _parking(record):
        envelope = decode(record.body)
        entity = entity_of(envelope) if envelope.entity in WANTED else None
    return None if entity is None else _Read(record, envelope, entity)


def _changes(found: Sequence[_Read]) -> list[Change]:
    changes = []
    for read in found:
        if isinstance(read.entity, Appointment):
            with _parking(read.record):
                at = moment("time", read.envelope.time)
                changes.append(Change(visit(read.entity, read.envelope.entityversion), at, read.envelope.replay))
    return changes


def _offer(read: _Read, entity: WaitlistOffer) -> Offer:
    with _parking(read.record):
        return offer(entity, read.envelope.entityversion)


@contextmanager
def _parking(record: Record) -> Iterator[None]:
    """A record that breaks its contract is parked with the reason."""
    try:
        yield
    except ContractError as error:
        raise InvalidRecord(record, str(error)) from error


def _providers(found: Sequence[_Read]) -> list[tuple[NamedProvider, int]]:
    return [
        (place_wire.provider(read.entity), read.envelope.entityversion)
        for read in found
        if isinstance(read.entity, Provider)
    ]


def _places(found: Sequence[_Read]) -> list[tuple[Place, int]]:
    return [
        (place_wire.place(read.entity), read.envelope.entityversion)
        for read in found
        if isinstance(read.entity, ProviderLocation)
    ]
