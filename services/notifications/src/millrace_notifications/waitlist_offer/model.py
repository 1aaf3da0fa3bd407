"""Emails about waitlist offers: pure."""

from dataclasses import dataclass
from datetime import datetime

from millrace_notifications.timer.model import EmailData, EmailKind, NewTimer, TimerPlan


@dataclass(frozen=True, slots=True)
class WaitlistOffer:
    """A waitlist offer at one version. `data` is stored with the email's timer, for its template."""

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
    """Return a plan that sends an email at once if the offer is open, and otherwise drops one that is waiting."""
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
