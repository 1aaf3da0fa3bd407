"""Templates of emails about appointments and waitlist offers: pure.

Emails name provider, location and time. They never contain the visit reason, because they show on locked screens.
Subjects and greetings contain nothing that people typed, not even the patient's name: otherwise a stranger who signs up
with another person's address could write to it.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from millrace_notifications.email.content import GREETING, EmailContent, Link
from millrace_notifications.provider_location.model import Provider, ProviderLocation
from millrace_notifications.scheduled_email.model import EmailKind, TemplateData
from millrace_notifications.scheduled_email.rules import zone_or_utc


@dataclass(frozen=True, slots=True)
class TemplateContext:
    """Input of a template. Provider and provider-location may be unknown (None).

    `url` is the website's URL, which links begin with.
    """

    data: TemplateData
    provider: Provider | None
    provider_location: ProviderLocation | None
    url: str

    @property
    def zone(self) -> ZoneInfo:
        location = self.provider_location
        return zone_or_utc(self.data.time_zone or (None if location is None else location.time_zone))

    @property
    def provider_name(self) -> str:
        return "your provider" if self.provider is None else self.provider.name

    @property
    def start(self) -> str:
        return _format_long(self.data.start, self.zone)

    @property
    def short_start(self) -> str:
        return _format_short(self.data.start, self.zone)

    @property
    def appointment_url(self) -> str:
        return f"{self.url}/appointments/{self.data.appointment_id}"


def fill_template(kind: EmailKind, context: TemplateContext) -> EmailContent:
    """Return the content of an email of the given kind."""
    return _TEMPLATES[kind](context)


def _booked(context: TemplateContext) -> EmailContent:
    text = f"Your appointment with {context.provider_name} is booked."
    return _appointment_email(context, f"Your appointment on {context.short_start} is booked", text)


def _moved(context: TemplateContext) -> EmailContent:
    before = context.data.moved_from
    text = f"Your appointment with {context.provider_name} has been moved to a new time."
    if before is not None:
        text += f" The previous time was {_format_long(before, context.zone)}."
    return _appointment_email(context, f"Your appointment has been moved to {context.short_start}", text)


def _reminder_48h(context: TemplateContext) -> EmailContent:
    text = f"This is a reminder of your upcoming appointment with {context.provider_name}."
    return _appointment_email(context, f"Reminder: your appointment on {context.short_start}", text)


def _reminder_2h(context: TemplateContext) -> EmailContent:
    text = f"Your appointment with {context.provider_name} starts in about two hours."
    return _appointment_email(context, f"Reminder: your appointment today, {context.short_start}", text)


def _cancelled(context: TemplateContext) -> EmailContent:
    appointment = f"our appointment with {context.provider_name} on {context.start}"
    match context.data.cancelled_by:
        case "patient":
            text = f"You canceled y{appointment}."
        case "practice":
            text = f"We're sorry: the practice had to cancel y{appointment}."
        case _:
            text = f"Y{appointment} has been canceled."
    return EmailContent(
        f"Your appointment on {context.short_start} has been canceled",
        (GREETING, text, *_phone(context)),
        Link("Find another time", f"{context.url}/providers/{context.data.npi}"),
    )


def _review_request(context: TemplateContext) -> EmailContent:
    text = f"How was your visit with {context.provider_name}? Your review helps other patients choose a doctor."
    link = Link("Write a review", f"{context.appointment_url}/review")
    return EmailContent("How was your visit?", (GREETING, text), link)


def _waitlist_offer(context: TemplateContext) -> EmailContent:
    data = context.data
    until = "" if data.until is None else f"\nWe're holding it for you until {_format_long(data.until, context.zone)}."
    text = f"Good news: an appointment with {context.provider_name} is available on {context.start}.{until}"
    return EmailContent(
        f"An appointment is available: {context.short_start}",
        (GREETING, text, *_location(context)),
        Link("Book this appointment", f"{context.url}/waitlist/{data.waitlist_entry_id}"),
    )


def _appointment_email(context: TemplateContext, subject: str, text: str) -> EmailContent:
    paragraphs = (GREETING, text, f"When: {context.start}", *_location(context), *_phone(context))
    return EmailContent(subject, paragraphs, Link("View, move or cancel this appointment", context.appointment_url))


def _location(context: TemplateContext) -> tuple[str, ...]:
    if context.data.mode == "video":
        return ("Where: video visit. Open your appointment to get the link to join.",)
    location = context.provider_location
    if location is None:
        return ()
    return ("\n".join(filter(None, (f"Where: {location.practice_name or ''}".rstrip(), location.address))),)


def _phone(context: TemplateContext) -> tuple[str, ...]:
    if context.provider_location is None or context.provider_location.phone is None:
        return ()
    return (f"Questions? Call the practice at {_format_phone(context.provider_location.phone)}.",)


def _format_phone(phone: str) -> str:
    """Return `(212) 555-0142` for a number of the North American plan, any other number unchanged."""
    match = re.fullmatch(r"\+1(\d{3})(\d{3})(\d{4})", phone)
    return phone if match is None else "({}) {}-{}".format(*match.groups())


def _format_long(time: datetime, zone: ZoneInfo) -> str:
    """Return the time in the format `Tuesday, November 24, 2026 at 9:30 AM (EST)`."""
    local = time.astimezone(zone)
    return f"{local:%A}, {local:%B} {local.day}, {local.year} at {_format_clock(local)} ({local.tzname()})"


def _format_short(time: datetime, zone: ZoneInfo) -> str:
    """Return the time in the format `Tue, Nov 24 at 9:30 AM`."""
    local = time.astimezone(zone)
    return f"{local:%a}, {local:%b} {local.day} at {_format_clock(local)}"


def _format_clock(local: datetime) -> str:
    """Return the time of day in the format `9:30 AM`."""
    return f"{local.hour % 12 or 12}:{local:%M} {'AM' if local.hour < 12 else 'PM'}"


_TEMPLATES = {
    EmailKind.BOOKED: _booked,
    EmailKind.MOVED: _moved,
    EmailKind.CANCELLED: _cancelled,
    EmailKind.REMINDER_48H: _reminder_48h,
    EmailKind.REMINDER_2H: _reminder_2h,
    EmailKind.REVIEW_REQUEST: _review_request,
    EmailKind.WAITLIST_OFFER: _waitlist_offer,
}
