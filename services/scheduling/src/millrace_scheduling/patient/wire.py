"""Conversion of records of the `entities` feed to patients."""

from datetime import datetime
from uuid import UUID

from millrace_contracts.entities import Patient
from millrace_contracts.envelope import ContractError, decode
from millrace_contracts.registry import PATIENT, decode_entity
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.transport import Record
from millrace_scheduling.patient.model import PatientCopy

KEY_PREFIX = f"{PATIENT.name}/"


def patient_from(record: Record) -> tuple[PatientCopy, bool] | None:
    """Decode a record; return its patient, and whether it was erased; None for a deletion. Raises `InvalidRecord`."""
    try:
        envelope = decode(record.body)
        entity = decode_entity(envelope)
        if not isinstance(entity, Patient):
            return None
        version, identifier = envelope.entityversion, UUID(entity.id)
        if entity.state == "erased":
            return PatientCopy(identifier, version), True
        return PatientCopy(
            identifier,
            version,
            entity.may_book,
            tuple(map(UUID, entity.dependant_ids)),
            tuple(map(UUID, entity.insurance_card_ids)),
            None if entity.registered_at is None else datetime.fromisoformat(entity.registered_at),
        ), False
    except (ContractError, ValueError) as error:
        raise InvalidRecord(record, str(error)) from error
