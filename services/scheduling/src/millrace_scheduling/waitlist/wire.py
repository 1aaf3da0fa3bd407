"""Conversion of offers to events."""

from typing import Literal

from millrace_contracts.entities import WaitlistOffer
from millrace_contracts.registry import WAITLIST_OFFER
from millrace_feeds.clock import rfc3339
from millrace_platform.unit_of_work import Event
from millrace_scheduling.place.model import Place
from millrace_scheduling.slot.zones import zone
from millrace_scheduling.waitlist.model import Entry, Offer


def offer_event(entry: Entry, offer: Offer, place: Place) -> Event:
    """Return the event of the offer's step to its version."""
    wire = WaitlistOffer(
        id=str(offer.id),
        waitlist_entry_id=str(entry.id),
        hold_id=str(offer.claim_id),
        provider_location_id=str(entry.place_id),
        npi=place.npi,
        patient_id=str(entry.patient_id),
        start=offer.start.astimezone(zone(place.time_zone)).isoformat(),
        minutes=offer.minutes,
        expires_at=rfc3339(offer.expires_at.timestamp()),
        state=offer.state.value,
        time_zone=place.time_zone,
        practice_id=None if place.practice_id is None else str(place.practice_id),
        visit_reason=entry.visit_reason,
        mode=entry.mode,
    )
    action: Literal["created", "updated"] = "created" if offer.version == 1 else "updated"
    return Event.of_entity(WAITLIST_OFFER, wire, action=action, version=offer.version)
