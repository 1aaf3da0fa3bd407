"""Clean a record of `changes`, or reject it with a reason, without effects other than a trace span."""

from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from millrace_contracts.entities import Entity
from millrace_contracts.envelope import ContractError, Envelope, decode
from millrace_contracts.registry import decode_entity, get_contract
from millrace_feeds.transport import Record
from millrace_reference.refine import UnrefinableError, refine
from millrace_refinery.ordering import Arrival
from millrace_refinery.tracing import refine_span

_LAST_VERSION = 2**63 - 1  # PostgreSQL's bigint, the type of the versions in the sources
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class CleanChange:
    """A record of `changes` that is valid, with its cleaned content in `arrival`."""

    record: Record
    arrival: Arrival

    @property
    def subject(self) -> str:
        return self.record.key


@dataclass(frozen=True, slots=True)
class InvalidChange:
    """A record that can't be used. `version` is the entity's version; None if the envelope itself is invalid."""

    record: Record
    reason: str
    version: int | None = None

    @property
    def subject(self) -> str:
        return self.record.key


def clean_record(record: Record) -> CleanChange | InvalidChange:
    """Decode, validate and normalize a record; return an `InvalidChange` if it breaks its contract."""
    try:
        envelope = _decode_envelope(record)
    except ContractError as error:
        return InvalidChange(record, str(error))
    try:
        with refine_span(envelope) as traceparent:
            data = _clean_data(envelope)
    except (ContractError, UnrefinableError) as error:
        return InvalidChange(record, str(error), envelope.entityversion)
    digest = blake2b(envelope.data, digest_size=8).hexdigest()
    cleaned = msgspec.structs.replace(envelope, data=data, traceparent=traceparent)
    return CleanChange(record, Arrival(cleaned, digest, size=len(record.body)))


def _decode_envelope(record: Record) -> Envelope:
    envelope = decode(record.body)
    if not record.key == envelope.partitionkey == envelope.subject:
        raise ContractError(f"partitionkey: {envelope.partitionkey!r} must be the subject and the record's key")
    if not 1 <= envelope.entityversion <= _LAST_VERSION:
        raise ContractError(f"entityversion: {envelope.entityversion} is not a version")
    get_contract(envelope)
    return envelope


def _clean_data(envelope: Envelope) -> msgspec.Raw:
    entity: Entity | None = decode_entity(envelope)
    return envelope.data if entity is None else msgspec.Raw(_encoder.encode(refine(entity)))
