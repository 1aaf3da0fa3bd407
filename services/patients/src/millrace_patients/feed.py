"""Consumes the feed `entities`: practices, insurance plans and appointments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from millrace_contracts.entities import Appointment
from millrace_contracts.envelope import ContractError, Envelope, decode
from millrace_contracts.registry import APPOINTMENT, decode_entity
from millrace_feeds import handler
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.transport import Record
from millrace_patients.directory import repository
from millrace_patients.directory.model import DirectoryEntry, EntryKind
from millrace_patients.sharing.model import SharedVisit
from millrace_patients.sharing.service import VisitSharing
from millrace_platform.audit.unit_of_work import UnitsOfWork
from millrace_platform.errors import Conflict, TimedOut, Unavailable

CONSUMED_ENTITIES: Final = frozenset({*EntryKind, APPOINTMENT.name})
NOT_TAKING_PLACE: Final = frozenset({"cancelled", "no_show"})


@dataclass(frozen=True, slots=True)
class EntityHandler:
    """Copies the directory and shares booked visits with their practices. Repeated and late records change nothing."""

    units: UnitsOfWork
    visits: VisitSharing

    async def handle(self, records: Sequence[Record]) -> None:
        """Store newer practices and plans, and share new visits; raise `InvalidRecord` for an invalid record."""
        entries: dict[str, DirectoryEntry] = {}
        visits: dict[str, SharedVisit] = {}
        for record in records:
            parsed = _parse(record)
            if isinstance(parsed, DirectoryEntry):
                known = entries.get(record.key)
                if known is None or known.version < parsed.version:
                    entries[record.key] = parsed
            elif parsed is not None:
                visits[record.key] = parsed
        if entries:
            async with self.units.begin() as work:
                await repository.save_newer(work.session, list(entries.values()))
        if visits:
            await self.visits.share(list(visits.values()))


def is_outage(error: BaseException) -> bool:
    """Return whether the error means that the database is unavailable, not that a record cannot be applied."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_outage(inner) for inner in error.exceptions)
    return isinstance(error, Unavailable | TimedOut | Conflict) or handler.is_outage(error)


def _parse(record: Record) -> DirectoryEntry | SharedVisit | None:
    """Return what a record says; None if it is irrelevant here."""
    if record.key.partition("/")[0] not in CONSUMED_ENTITIES:
        return None
    try:
        return _parse_envelope(decode(record.body))
    except (ContractError, ValueError) as error:
        raise InvalidRecord(record, str(error)) from error


def _parse_envelope(envelope: Envelope) -> DirectoryEntry | SharedVisit | None:
    entity = decode_entity(envelope)
    if envelope.entity == APPOINTMENT.name:
        return _parse_visit(entity) if isinstance(entity, Appointment) else None
    _, _, identifier = envelope.subject.partition("/")
    return DirectoryEntry(EntryKind(envelope.entity), identifier, envelope.entityversion, is_deleted=entity is None)


def _parse_visit(appointment: Appointment) -> SharedVisit | None:
    if appointment.state in NOT_TAKING_PLACE or appointment.practice_id is None:
        return None
    return SharedVisit(
        appointment_id=UUID(appointment.id),
        practice_id=UUID(appointment.practice_id),
        patient_id=UUID(appointment.patient_id),
        dependant_id=None if appointment.dependant_id is None else UUID(appointment.dependant_id),
        insurance_card_id=None if appointment.insurance_card_id is None else UUID(appointment.insurance_card_id),
    )
