"""From a record of `changes` to a clean change, or to the reason why it can't be one. Pure but for its span."""

from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from millrace_contracts.entities import Entity
from millrace_contracts.envelope import ContractError, Envelope, decode
from millrace_contracts.registry import contract_of, entity_of
from millrace_feeds.transport import Record
from millrace_reference.refine import UnrefinableError, refine
from millrace_refinery.ordering import Arrival
from millrace_refinery.tracing import refine_span

_LAST_VERSION = 2**63 - 1  # Postgres' bigint, where versions are kept
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Change:
    """A record whose content is clean."""

    record: Record
    arrival: Arrival

    @property
    def subject(self) -> str:
        return self.record.key


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that can't be used. `version` is the entity's, None where the envelope itself can't be trusted."""

    record: Record
    reason: str
    version: int | None = None

    @property
    def subject(self) -> str:
        return self.record.key


def clean(record: Record) -> Change | Refused:
    """Decode, validate and normalize one record."""
    try:
        envelope = _envelope(record)
    except ContractError as error:
        return Refused(record, str(error))
    try:
        with refine_span(envelope) as traceparent:
            data = _clean_data(envelope)
    except (ContractError, UnrefinableError) as error:
        return Refused(record, str(error), envelope.entityversion)
    digest = blake2b(envelope.data, digest_size=8).hexdigest()
    cleaned = msgspec.structs.replace(envelope, data=data, traceparent=traceparent)
    return Change(record, Arrival(cleaned, digest, size=len(record.body)))


def _envelope(record: Record) -> Envelope:
    envelope = decode(record.body)
    if not record.key == envelope.partitionkey == envelope.subject:
        raise ContractError(f"partitionkey: {envelope.partitionkey!r} must be the subject and the record's key")
    if not 1 <= envelope.entityversion <= _LAST_VERSION:
        raise ContractError(f"entityversion: {envelope.entityversion} is not a version")
    contract_of(envelope)
    return envelope


def _clean_data(envelope: Envelope) -> msgspec.Raw:
    entity: Entity | None = entity_of(envelope)
    return envelope.data if entity is None else msgspec.Raw(_encoder.encode(refine(entity)))
