"""From the contracts to what letters say."""

from millrace_contracts import entities
from millrace_notifications.place.model import Place, Provider


def provider(entity: entities.Provider) -> Provider:
    return Provider(entity.npi, entity.display_name or f"{entity.first_name} {entity.last_name}")


def place(entity: entities.ProviderLocation) -> Place:
    return Place(
        id=entity.id,
        practice_id=entity.practice_id,
        practice_name=entity.practice_name,
        address=_line(entity.address),
        phone=entity.phone,
        time_zone=entity.time_zone,
    )


def _line(address: entities.Address) -> str:
    parts = (address.line1, address.line2, address.city, f"{address.state} {address.zip}")
    return ", ".join(part for part in parts if part)
