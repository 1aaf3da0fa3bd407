"""Conversion of records of the `entities` feed to providers."""

from millrace_contracts import entities
from millrace_contracts.envelope import ContractError, decode
from millrace_contracts.registry import PROVIDER, decode_entity
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.transport import Record
from millrace_scheduling.provider.model import Provider

KEY_PREFIX = f"{PROVIDER.name}/"


def provider_from(record: Record) -> Provider:
    """Decode a record; return its provider. Raises `InvalidRecord`."""
    try:
        envelope = decode(record.body)
        entity = decode_entity(envelope)
    except (ContractError, ValueError) as error:
        raise InvalidRecord(record, str(error)) from error
    if entity is None:
        return Provider(envelope.subject.removeprefix(KEY_PREFIX), None, envelope.entityversion)
    if not isinstance(entity, entities.Provider):
        raise InvalidRecord(record, f"subject: {envelope.subject!r} isn't a provider")
    name = entity.display_name or f"{entity.first_name} {entity.last_name}"
    return Provider(entity.npi, name, envelope.entityversion)
