"""What this service takes from `entities`: visits, whose place it was, and who isn't there any more."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from millrace_contracts.entities import Appointment, Entity, Patient, ProviderLocation
from millrace_contracts.envelope import ContractError, Envelope, decode
from millrace_contracts.registry import APPOINTMENT, PATIENT, PROVIDER_LOCATION, entity_of
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.handler import is_outage
from millrace_feeds.transport import Record
from millrace_platform.errors import Conflict, TimedOut, Unavailable
from millrace_platform.unit_of_work import UnitsOfWork
from millrace_reviews.patient.service import Patients
from millrace_reviews.place import repository as places
from millrace_reviews.place.repository import Place
from millrace_reviews.visit import repository as visits
from millrace_reviews.visit.model import Visit
from millrace_reviews.visit.wire import visit_of

WANTED: Final = frozenset({APPOINTMENT.name, PATIENT.name, PROVIDER_LOCATION.name})


@dataclass(frozen=True, slots=True)
class Follower:
    """A consumer's handler. All it writes is conditional on versions, so that repeats and latecomers change nothing."""

    units: UnitsOfWork
    patients: Patients

    async def handle(self, records: Sequence[Record]) -> None:
        """Deletions are passed over: what was said of a visit outlives the appointment's entry, and a place's practice
        the place."""
        newest: dict[str, tuple[Envelope, Entity | Visit]] = {}
        for record in records:
            envelope, entity = _read(record)
            known = newest.get(envelope.subject)
            if entity is not None and (known is None or known[0].entityversion <= envelope.entityversion):
                newest[envelope.subject] = (envelope, entity)
        await self._put(newest.values())
        # Each by itself, after the others: no transaction waits for one patient while it holds another.
        for envelope, entity in newest.values():
            if isinstance(entity, Patient):
                erased = entity.state == "erased"
                await self.patients.follow(entity.id, envelope.entityversion, erased=erased)

    async def _put(self, newest: Iterable[tuple[Envelope, Entity | Visit]]) -> None:
        found = list(newest)
        seen = [
            Place(entity.id, envelope.entityversion, entity.practice_id)
            for envelope, entity in found
            if isinstance(entity, ProviderLocation)
        ]
        taken = [entity for _, entity in found if isinstance(entity, Visit)]
        if seen or taken:
            async with self.units.begin() as work:
                await places.put(work.session, seen)
                await visits.put(work.session, taken)


def is_away(error: BaseException) -> bool:
    """Whether the database can't be used now, as opposed to a record that can't be applied."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_away(inner) for inner in error.exceptions)
    return isinstance(error, Unavailable | TimedOut | Conflict) or is_outage(error)


def _read(record: Record) -> tuple[Envelope, Entity | Visit | None]:
    try:
        envelope = decode(record.body)
        if envelope.entity not in WANTED:
            return envelope, None
        entity = entity_of(envelope)
        return envelope, visit_of(entity, envelope) if isinstance(entity, Appointment) else entity
    except ContractError as error:
        raise InvalidRecord(record, str(error)) from error
