"""Emails about waitlist offers: pure."""

from dataclasses import dataclass
from datetime import datetime

from millrace_notifications.timer.model import EmailData, EmailKind, NewTimer, TimerPlan


@dataclass(frozen=True, slots=True)
class WaitlistOffer:
    """An offer at one version. `data` is the data of its email."""

    id: str
    version: int
    state: str
    patient_id: str
    expires_at: datetime
    data: EmailData

    @property
    def entity(self) -> str:
        return f"waitlist-offer/{self.id}"


def plan_timers(offer: WaitlistOffer, now: datetime) -> TimerPlan:
    """Plan an email at once for an open offer; drop a waiting email when the offer is taken, declined or expired."""
    dropped = frozenset({EmailKind.WAITLIST_OFFER})
    if offer.state != "offered" or offer.expires_at <= now:
        return TimerPlan(offer.entity, offer.state, dropped)
    timer = NewTimer(
        kind=EmailKind.WAITLIST_OFFER,
        entity=offer.entity,
        version=offer.version,
        patient_id=offer.patient_id,
        data=offer.data,
        due_at=now,
        expires_at=offer.expires_at,
    )
    return TimerPlan(offer.entity, offer.state, dropped, (timer,))
