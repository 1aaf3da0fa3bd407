"""Conversion of offers to events."""

from typing import Literal

from millrace_contracts.entities import WaitlistOffer
from millrace_contracts.registry import WAITLIST_OFFER
from millrace_feeds.clock import rfc3339
from millrace_platform.unit_of_work import Event
from millrace_scheduling.provider_location.model import ProviderLocation
from millrace_scheduling.waitlist.model import Entry, Offer
from millrace_scheduling.zones import get_zone


def offer_event(entry: Entry, offer: Offer, provider_location: ProviderLocation) -> Event:
    """Return the event that announces the offer's current version."""
    wire = WaitlistOffer(
        id=str(offer.id),
        waitlist_entry_id=str(entry.id),
        hold_id=str(offer.reservation_id),
        provider_location_id=str(entry.provider_location_id),
        npi=provider_location.npi,
        patient_id=str(entry.patient_id),
        start=offer.start.astimezone(get_zone(provider_location.time_zone)).isoformat(),
        minutes=offer.minutes,
        expires_at=rfc3339(offer.expires_at.timestamp()),
        state=offer.state.value,
        time_zone=provider_location.time_zone,
        practice_id=None if provider_location.practice_id is None else str(provider_location.practice_id),
        visit_reason=entry.visit_reason,
        mode=entry.mode,
    )
    action: Literal["created", "updated"] = "created" if offer.version == 1 else "updated"
    return Event.of_entity(WAITLIST_OFFER, wire, action=action, version=offer.version)
