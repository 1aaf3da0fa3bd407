"""Conversion of records of the `entities` feed to provider-locations."""

from uuid import UUID

from millrace_contracts import entities
from millrace_contracts.envelope import ContractError, Envelope, decode
from millrace_contracts.registry import PROVIDER_LOCATION, decode_entity
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.transport import Record
from millrace_scheduling.provider_location.model import ProviderLocation

KEY_PREFIX = f"{PROVIDER_LOCATION.name}/"
DEFAULT_TIME_ZONE = "Etc/UTC"


def provider_location_from(record: Record) -> ProviderLocation:
    """Decode a record; return its provider-location. Raises `InvalidRecord`."""
    try:
        return _from_envelope(decode(record.body))
    except (ContractError, ValueError) as error:
        raise InvalidRecord(record, str(error)) from error


def _from_envelope(envelope: Envelope) -> ProviderLocation:
    entity = decode_entity(envelope)
    if entity is None:
        _, npi, identifier = envelope.subject.split("/")
        return ProviderLocation(UUID(identifier), npi, None, DEFAULT_TIME_ZONE, envelope.entityversion, is_deleted=True)
    if not isinstance(entity, entities.ProviderLocation):
        raise ContractError(f"subject: {envelope.subject!r} isn't a provider-location")
    practice = None if entity.practice_id is None else UUID(entity.practice_id)
    zone = entity.time_zone or DEFAULT_TIME_ZONE
    address = _format_address(entity.practice_name, entity.address)
    return ProviderLocation(
        UUID(entity.id), entity.npi, practice, zone, envelope.entityversion, entity.is_pending, address
    )


def _format_address(practice_name: str | None, address: entities.Address) -> str:
    parts = (practice_name, address.line1, address.line2, address.city, f"{address.state} {address.zip}")
    return ", ".join(part for part in parts if part)
