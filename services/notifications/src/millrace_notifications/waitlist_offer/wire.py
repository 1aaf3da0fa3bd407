"""From the contract to an offer."""

from millrace_contracts.entities import WaitlistOffer
from millrace_notifications.timer.model import Facts
from millrace_notifications.waitlist_offer.model import Offer
from millrace_notifications.wire import moment


def offer(entity: WaitlistOffer, version: int) -> Offer:
    """Raises `ContractError` where a time can't be read."""
    expires_at = moment("expires_at", entity.expires_at)
    facts = Facts(
        start=moment("start", entity.start),
        provider_location_id=entity.provider_location_id,
        npi=entity.npi,
        mode=entity.mode,
        minutes=entity.minutes,
        time_zone=entity.time_zone,
        waitlist_entry_id=entity.waitlist_entry_id,
        until=expires_at,
    )
    return Offer(entity.id, version, entity.state, entity.patient_id, expires_at, facts)
