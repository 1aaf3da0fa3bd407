"""Consumes the feed `entities`: visits, practices of provider-locations, and erasures of patients."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from millrace_contracts.entities import Appointment, Entity, Patient, ProviderLocation
from millrace_contracts.envelope import ContractError, Envelope, decode
from millrace_contracts.registry import APPOINTMENT, PATIENT, PROVIDER_LOCATION, decode_entity
from millrace_feeds import handler
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.transport import Record
from millrace_platform.errors import Conflict, TimedOut, Unavailable
from millrace_platform.unit_of_work import UnitsOfWork
from millrace_reviews.patient.service import Patients
from millrace_reviews.provider_location import repository as provider_locations
from millrace_reviews.provider_location.repository import ProviderLocationRow
from millrace_reviews.visit import repository as visits
from millrace_reviews.visit.model import Visit
from millrace_reviews.visit.wire import parse_visit

CONSUMED_ENTITIES: Final = frozenset({APPOINTMENT.name, PATIENT.name, PROVIDER_LOCATION.name})


@dataclass(frozen=True, slots=True)
class EntityHandler:
    """Stores the consumed entities. Its writes compare versions, so repeated and late records change nothing."""

    units: UnitsOfWork
    patients: Patients

    async def handle(self, records: Sequence[Record]) -> None:
        """Store the newest version of each entity in the records; raise `InvalidRecord` for one that cannot be decoded.

        Ignores deletions: reviews outlive their appointment, and a provider-location's practice is still needed for
        them.
        """
        newest: dict[str, tuple[Envelope, Entity | Visit]] = {}
        for record in records:
            envelope, entity = _decode(record)
            known = newest.get(envelope.subject)
            if entity is not None and (known is None or known[0].entityversion <= envelope.entityversion):
                newest[envelope.subject] = (envelope, entity)
        await self._store(newest.values())
        # One transaction for each patient, so that none waits for a patient while it has locked another.
        for envelope, entity in newest.values():
            if isinstance(entity, Patient):
                erased = entity.state == "erased"
                await self.patients.apply_state(entity.id, envelope.entityversion, erased=erased)

    async def _store(self, newest: Iterable[tuple[Envelope, Entity | Visit]]) -> None:
        entities = list(newest)
        locations = [
            ProviderLocationRow(entity.id, envelope.entityversion, entity.practice_id)
            for envelope, entity in entities
            if isinstance(entity, ProviderLocation)
        ]
        visited = [entity for _, entity in entities if isinstance(entity, Visit)]
        if locations or visited:
            async with self.units.begin() as work:
                await provider_locations.save_newer(work.session, locations)
                await visits.save_newer(work.session, visited)


def is_outage(error: BaseException) -> bool:
    """Return whether the error means that the database is unavailable, not that a record cannot be applied."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_outage(inner) for inner in error.exceptions)
    return isinstance(error, Unavailable | TimedOut | Conflict) or handler.is_outage(error)


def _decode(record: Record) -> tuple[Envelope, Entity | Visit | None]:
    try:
        envelope = decode(record.body)
        if envelope.entity not in CONSUMED_ENTITIES:
            return envelope, None
        entity = decode_entity(envelope)
        return envelope, parse_visit(entity, envelope) if isinstance(entity, Appointment) else entity
    except ContractError as error:
        raise InvalidRecord(record, str(error)) from error
