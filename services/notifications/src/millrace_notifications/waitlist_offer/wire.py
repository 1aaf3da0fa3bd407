"""Conversion of waitlist offers from the contract."""

from millrace_contracts import entities
from millrace_notifications.timer.model import EmailData
from millrace_notifications.waitlist_offer.model import WaitlistOffer
from millrace_notifications.wire import parse_time


def to_waitlist_offer(entity: entities.WaitlistOffer, version: int) -> WaitlistOffer:
    """Convert a waitlist offer from the contract. Raises `ContractError` for an invalid time."""
    expires_at = parse_time("expires_at", entity.expires_at)
    data = EmailData(
        start=parse_time("start", entity.start),
        provider_location_id=entity.provider_location_id,
        npi=entity.npi,
        mode=entity.mode,
        minutes=entity.minutes,
        time_zone=entity.time_zone,
        waitlist_entry_id=entity.waitlist_entry_id,
        until=expires_at,
    )
    return WaitlistOffer(entity.id, version, entity.state, entity.patient_id, expires_at, data)
