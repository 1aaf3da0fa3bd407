"""Handler of the feed `entities`: one transaction per batch; each entity is applied only if its version is newer."""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from msgspec.structs import asdict

from millrace_contracts import entities
from millrace_contracts.envelope import ContractError, Envelope, decode
from millrace_contracts.registry import APPOINTMENT, PATIENT, PROVIDER, PROVIDER_LOCATION, WAITLIST_OFFER, decode_entity
from millrace_feeds.clock import Clock, utc_now
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.handler import is_outage
from millrace_feeds.transport import Record
from millrace_notifications.feed.appointments import AppointmentUpdate, AppointmentUpdater
from millrace_notifications.feed.provider_locations import ProviderLocationUpdate, ProviderLocationUpdater
from millrace_notifications.provider_location.repository import upsert_providers
from millrace_notifications.provider_location.wire import to_provider, to_provider_location
from millrace_notifications.scheduled_email.service import EmailScheduler
from millrace_notifications.waitlist_offer import repository as offers
from millrace_notifications.waitlist_offer.model import WaitlistOffer, plan_emails
from millrace_notifications.wire import convert
from millrace_platform.database import Database, Session
from millrace_platform.errors import Conflict, TimedOut, Unavailable

CONSUMED: Final = frozenset(
    contract.name for contract in (PROVIDER, PROVIDER_LOCATION, APPOINTMENT, WAITLIST_OFFER, PATIENT)
)
_RETRYABLE: Final = (Unavailable, TimedOut, Conflict)


@dataclass(frozen=True, slots=True)
class _EntityRecord:
    record: Record
    envelope: Envelope
    entity: entities.Entity

    @property
    def version(self) -> int:
        return self.envelope.entityversion


@dataclass(frozen=True, slots=True)
class FeedHandler:
    """Copies providers and provider-locations; applies appointments, waitlist offers and erasures of patients."""

    database: Database
    appointments: AppointmentUpdater
    provider_locations: ProviderLocationUpdater
    scheduler: EmailScheduler
    clock: Clock

    async def handle(self, records: Sequence[Record]) -> None:
        """Apply a batch of records in one transaction. Raises `InvalidRecord`.

        Deletions are ignored, because emails may still have to name the last state.
        """
        batch = [each for record in records if (each := _decode(record)) is not None]
        if not batch:
            return
        async with self.database.transaction() as session:
            # Copies first, because an appointment of the same batch may refer to a new provider-location.
            await self._copy_directory(session, batch)
            await self.appointments.apply(session, _to_updates(batch))
            for each in batch:
                if isinstance(each.entity, entities.WaitlistOffer):
                    await self._apply_offer(session, _to_offer(each))
                elif isinstance(each.entity, entities.Patient) and each.entity.state == "erased":
                    await self.scheduler.erase_patient(session, each.entity.id)

    async def _copy_directory(self, session: Session, batch: Sequence[_EntityRecord]) -> None:
        providers, updates = [], []
        for each in batch:
            if isinstance(each.entity, entities.Provider):
                providers.append((to_provider(each.entity), each.version))
            elif isinstance(each.entity, entities.ProviderLocation):
                updates.append(_to_provider_location_update(each, each.entity))
        await upsert_providers(session, providers)
        await self.provider_locations.apply(session, updates)

    async def _apply_offer(self, session: Session, offer: WaitlistOffer) -> None:
        if await offers.update_version(session, offer.id, offer.version):
            await self.scheduler.apply(session, [plan_emails(offer, utc_now(self.clock))])


def is_retryable(error: BaseException) -> bool:
    """Return whether the error is an outage or a transaction conflict, rather than an invalid record."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_retryable(inner) for inner in error.exceptions)
    return isinstance(error, _RETRYABLE) or is_outage(error)


def _decode(record: Record) -> _EntityRecord | None:
    """Decode a record; return None for deletions and for entities that aren't consumed. Raises `InvalidRecord`."""
    with _parking(record):
        envelope = decode(record.body)
        entity = decode_entity(envelope) if envelope.entity in CONSUMED else None
    return None if entity is None else _EntityRecord(record, envelope, entity)


def _to_provider_location_update(each: _EntityRecord, entity: entities.ProviderLocation) -> ProviderLocationUpdate:
    with _parking(each.record):
        fields = {"version": each.version, "at": each.envelope.time, "replay": each.envelope.replay}
        return convert(
            {"provider_location": dataclasses.asdict(to_provider_location(entity)), **fields}, ProviderLocationUpdate
        )


def _to_updates(batch: Sequence[_EntityRecord]) -> list[AppointmentUpdate]:
    updates = []
    for each in batch:
        if isinstance(each.entity, entities.Appointment):
            appointment = {**asdict(each.entity), "version": each.version}
            fields = {"appointment": appointment, "at": each.envelope.time, "replay": each.envelope.replay}
            with _parking(each.record):
                updates.append(convert(fields, AppointmentUpdate))
    return updates


def _to_offer(each: _EntityRecord) -> WaitlistOffer:
    fields = asdict(each.entity)
    template_data = {**fields, "until": fields["expires_at"]}
    with _parking(each.record):
        return convert({**fields, "version": each.version, "template_data": template_data}, WaitlistOffer)


@contextmanager
def _parking(record: Record) -> Iterator[None]:
    """Convert a `ContractError` to `InvalidRecord`, so that the record becomes a dead letter with the reason."""
    try:
        yield
    except ContractError as error:
        raise InvalidRecord(record, str(error)) from error
