"""Conversion of providers and provider-locations from the contracts."""

from millrace_contracts import entities
from millrace_notifications.provider_location.model import Provider, ProviderLocation


def to_provider(entity: entities.Provider) -> Provider:
    return Provider(entity.npi, entity.display_name or f"{entity.first_name} {entity.last_name}")


def to_provider_location(entity: entities.ProviderLocation) -> ProviderLocation:
    return ProviderLocation(
        id=entity.id,
        npi=entity.npi,
        is_pending=entity.is_pending,
        practice_id=entity.practice_id,
        practice_name=entity.practice_name,
        address=_format_address(entity.address),
        phone=entity.phone,
        time_zone=entity.time_zone,
    )


def _format_address(address: entities.Address) -> str:
    parts = (address.line1, address.line2, address.city, f"{address.state} {address.zip}")
    return ", ".join(part for part in parts if part)
