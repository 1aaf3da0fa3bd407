"""Provider-locations of the feed as places."""

from uuid import UUID

from millrace_contracts.entities import ProviderLocation
from millrace_contracts.envelope import ContractError, Envelope, decode
from millrace_contracts.registry import PROVIDER_LOCATION, entity_of
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.transport import Record
from millrace_scheduling.place.model import Place

KEY_PREFIX = f"{PROVIDER_LOCATION.name}/"
UNKNOWN_ZONE = "Etc/UTC"


def place_of(record: Record) -> Place:
    """Raises `InvalidRecord`."""
    try:
        envelope = decode(record.body)
        return _place(envelope)
    except (ContractError, ValueError) as error:
        raise InvalidRecord(record, str(error)) from error


def _place(envelope: Envelope) -> Place:
    entity = entity_of(envelope)
    if entity is None:
        _, npi, identifier = envelope.subject.split("/")
        return Place(UUID(identifier), npi, None, UNKNOWN_ZONE, envelope.entityversion, deleted=True)
    if not isinstance(entity, ProviderLocation):
        raise ContractError(f"subject: {envelope.subject!r} isn't a provider-location")
    practice = None if entity.practice_id is None else UUID(entity.practice_id)
    return Place(UUID(entity.id), entity.npi, practice, entity.time_zone or UNKNOWN_ZONE, envelope.entityversion)
