"""What an offer does to its letter: pure."""

from dataclasses import dataclass
from datetime import datetime

from millrace_notifications.timer.model import Facts, Kind, NewTimer, Plan


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer at one version. `facts` is what the letter tells."""

    id: str
    version: int
    state: str
    patient_id: str
    expires_at: datetime
    facts: Facts

    @property
    def entity(self) -> str:
        return f"waitlist-offer/{self.id}"


def plan(offer: Offer, now: datetime) -> Plan:
    """A letter at once while the time is held; none once it was taken or let go."""
    if offer.state != "offered" or offer.expires_at <= now:
        return Plan(offer.entity, offer.state, frozenset({Kind.WAITLIST_OFFER}))
    timer = NewTimer(
        kind=Kind.WAITLIST_OFFER,
        entity=offer.entity,
        version=offer.version,
        patient_id=offer.patient_id,
        facts=offer.facts,
        due_at=now,
        expires_at=offer.expires_at,
    )
    return Plan(offer.entity, offer.state, frozenset({Kind.WAITLIST_OFFER}), (timer,))
