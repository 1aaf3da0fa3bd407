"""Emails about waitlist offers: pure."""

from dataclasses import dataclass
from datetime import datetime

from millrace_notifications.appointment.model import AwareTime
from millrace_notifications.scheduled_email.model import EmailKind, EmailPlan, NewEmail, TemplateData


@dataclass(frozen=True, slots=True)
class WaitlistOffer:
    """A waitlist offer at one version."""

    id: str
    version: int
    state: str
    patient_id: str
    expires_at: AwareTime
    template_data: TemplateData

    @property
    def entity(self) -> str:
        return f"waitlist-offer/{self.id}"


def plan_emails(offer: WaitlistOffer, now: datetime) -> EmailPlan:
    """Return a plan that sends an email at once if the offer is open, and otherwise drops one that is waiting."""
    dropped = frozenset({EmailKind.WAITLIST_OFFER})
    if offer.state != "offered" or offer.expires_at <= now:
        return EmailPlan(offer.entity, offer.state, dropped)
    email = NewEmail(
        kind=EmailKind.WAITLIST_OFFER,
        entity=offer.entity,
        version=offer.version,
        patient_id=offer.patient_id,
        template_data=offer.template_data,
        due_at=now,
        expires_at=offer.expires_at,
    )
    return EmailPlan(offer.entity, offer.state, dropped, (email,))
