"""The words of letters about visits: pure.

A letter names provider, place and time. Why somebody sees a doctor isn't in it: mail is read on locked screens too.
"""

import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from millrace_notifications.mail.letter import Letter, Link
from millrace_notifications.mail.times import long, short
from millrace_notifications.place.model import Place, Provider
from millrace_notifications.timer.model import Facts, Kind
from millrace_notifications.timer.rules import zone_of

CHANGE = "See, move or cancel this appointment"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a letter is written from. `given_name`, provider and place may be unknown; `url` begins all links."""

    facts: Facts
    given_name: str | None
    provider: Provider | None
    place: Place | None
    url: str

    @property
    def zone(self) -> ZoneInfo:
        return zone_of(self.facts.time_zone or (None if self.place is None else self.place.time_zone))

    @property
    def greeting(self) -> str:
        return "Hello," if self.given_name is None else f"Hello {self.given_name},"

    @property
    def who(self) -> str:
        return "your provider" if self.provider is None else self.provider.name

    @property
    def when(self) -> str:
        return long(self.facts.start, self.zone)

    @property
    def brief(self) -> str:
        return short(self.facts.start, self.zone)

    @property
    def appointment(self) -> str:
        return f"{self.url}/appointments/{self.facts.appointment_id}"


def letter(kind: Kind, scene: Scene) -> Letter:
    """The letter of a kind."""
    return _WRITERS[kind](scene)


def _booked(scene: Scene) -> Letter:
    said = f"Your appointment with {scene.who} is booked."
    return _about(scene, f"Your appointment on {scene.brief} is booked", said)


def _moved(scene: Scene) -> Letter:
    before = scene.facts.moved_from
    said = f"Your appointment with {scene.who} has a new time."
    if before is not None:
        said += f" It was {long(before, scene.zone)} before."
    return _about(scene, f"Your appointment moved to {scene.brief}", said)


def _in_two_days(scene: Scene) -> Letter:
    said = f"This is a reminder of your appointment with {scene.who}."
    return _about(scene, f"Your appointment on {scene.brief}", said)


def _in_two_hours(scene: Scene) -> Letter:
    said = f"Your appointment with {scene.who} begins in about two hours."
    return _about(scene, f"Today: your appointment, {scene.brief}", said)


def _cancelled(scene: Scene) -> Letter:
    visit = f"your appointment with {scene.who} on {scene.when}"
    match scene.facts.cancelled_by:
        case "patient":
            said = f"You cancelled {visit}."
        case "practice":
            said = f"The practice had to cancel {visit}."
        case _:
            said = f"{visit[0].upper()}{visit[1:]} is cancelled."
    return Letter(
        f"Your appointment on {scene.brief} is cancelled",
        (scene.greeting, said, *_questions(scene)),
        Link("Find another time", f"{scene.url}/providers/{scene.facts.npi}"),
    )


def _review_request(scene: Scene) -> Letter:
    said = f"How was your visit with {scene.who}? A few words help others who look for a doctor."
    return Letter("How was your visit?", (scene.greeting, said), Link("Write a review", f"{scene.appointment}/review"))


def _waitlist_offer(scene: Scene) -> Letter:
    facts = scene.facts
    until = "" if facts.until is None else f"\nIt is held for you until {long(facts.until, scene.zone)}."
    said = f"A time with {scene.who} has come free: {scene.when}.{until}"
    return Letter(
        f"A time has come free: {scene.brief}",
        (scene.greeting, said, *_where(scene)),
        Link("Take this time", f"{scene.url}/waitlist/{facts.waitlist_entry_id}"),
    )


def _about(scene: Scene, subject: str, said: str) -> Letter:
    paragraphs = (scene.greeting, said, f"When: {scene.when}", *_where(scene), *_questions(scene))
    return Letter(subject, paragraphs, Link(CHANGE, scene.appointment))


def _where(scene: Scene) -> tuple[str, ...]:
    if scene.facts.mode == "video":
        return ("Where: by video. The link to join is with your appointment.",)
    if scene.place is None:
        return ()
    return ("\n".join(filter(None, (f"Where: {scene.place.practice_name or ''}".rstrip(), scene.place.address))),)


def _questions(scene: Scene) -> tuple[str, ...]:
    if scene.place is None or scene.place.phone is None:
        return ()
    return (f"Questions? Call the practice at {_spoken(scene.place.phone)}.",)


def _spoken(phone: str) -> str:
    """`(212) 555-0142` for a number of the North American plan, any other as it is."""
    found = re.fullmatch(r"\+1(\d{3})(\d{3})(\d{4})", phone)
    return phone if found is None else "({}) {}-{}".format(*found.groups())


_WRITERS = {
    Kind.BOOKED: _booked,
    Kind.MOVED: _moved,
    Kind.CANCELLED: _cancelled,
    Kind.REMINDER_48H: _in_two_days,
    Kind.REMINDER_2H: _in_two_hours,
    Kind.REVIEW_REQUEST: _review_request,
    Kind.WAITLIST_OFFER: _waitlist_offer,
}
