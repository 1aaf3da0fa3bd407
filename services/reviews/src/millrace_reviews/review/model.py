"""Reviews and their moderation states, without I/O.

                 ┌──────────── revise, clean ───────────┐
submit, clean ─▶ PUBLISHED ──hide──▶ HIDDEN ──publish──▶ PUBLISHED
submit, found ─▶ PENDING ──publish──▶ PUBLISHED ──revise, found─▶ PENDING
                 PENDING ──reject───▶ REJECTED ──publish──▶ PUBLISHED
HIDDEN, REJECTED ──revise──▶ PENDING, until a moderator publishes it
any ──withdraw──▶ WITHDRAWN, for good

clean, found: the screening found nothing, or something, in the text.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID


class State(StrEnum):
    """Moderation state of a review. Only published reviews are public and count for the averages."""

    PENDING = "pending"
    PUBLISHED = "published"
    REJECTED = "rejected"
    HIDDEN = "hidden"
    WITHDRAWN = "withdrawn"


class Reason(StrEnum):
    """Reason why a review is flagged, rejected or hidden."""

    ABUSIVE = "abusive"
    ADVERTISING = "advertising"
    OFF_TOPIC = "off_topic"
    PERSONAL_INFORMATION = "personal_information"


ALLOWED_DECISIONS: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        State.PENDING: frozenset({State.PUBLISHED, State.REJECTED}),
        State.PUBLISHED: frozenset({State.PUBLISHED, State.HIDDEN}),
        State.REJECTED: frozenset({State.PUBLISHED}),
        State.HIDDEN: frozenset({State.PUBLISHED}),
        State.WITHDRAWN: frozenset(),
    }
)
"""States that a moderator may choose, by the current state. Publishing a published review discards its flags."""


class IllegalTransitionError(Exception):
    """Raised for a change between two states that is not allowed."""

    def __init__(self, before: State, after: State) -> None:
        super().__init__(f"a {before} review cannot become {after}")
        self.before = before
        self.after = after


@dataclass(frozen=True, slots=True)
class ReviewStatus:
    """Moderation state of a review, and what its next state depends on.

    `needs_moderator` is True after a moderator took the review down: it is then not published again automatically
    when its text is changed. `reason` is the moderator's for rejecting or hiding it.
    """

    state: State
    needs_moderator: bool = False
    reason: Reason | None = None

    @classmethod
    def submit(cls, findings: Collection[str]) -> "ReviewStatus":
        """Return the status of a new review; `findings` are contact details that the screening found in its text."""
        return cls(State.PENDING if findings else State.PUBLISHED)

    def revise(self, findings: Collection[str]) -> "ReviewStatus":
        """Return the status after the author changed the review; raise `IllegalTransitionError` if it is withdrawn."""
        after = State.PENDING if self.needs_moderator or findings else State.PUBLISHED
        if self.state is State.WITHDRAWN:
            raise IllegalTransitionError(self.state, after)
        return ReviewStatus(after, self.needs_moderator)

    def decide(self, after: State, reason: Reason | None = None) -> "ReviewStatus":
        """Return the status after a moderator's decision.

        Raise `IllegalTransitionError` unless `ALLOWED_DECISIONS` contains it.
        """
        if after not in ALLOWED_DECISIONS[self.state]:
            raise IllegalTransitionError(self.state, after)
        is_down = after is not State.PUBLISHED
        return ReviewStatus(after, needs_moderator=is_down, reason=reason if is_down else None)

    def withdraw(self) -> "ReviewStatus":
        """Return the status after the author withdrew the review; raise `IllegalTransitionError` if it already is."""
        if self.state is State.WITHDRAWN:
            raise IllegalTransitionError(self.state, State.WITHDRAWN)
        return ReviewStatus(State.WITHDRAWN, self.needs_moderator)


@dataclass(frozen=True, slots=True)
class Content:
    """Ratings from 1 to 5 stars and an optional text."""

    overall: int
    bedside_manner: int
    wait_time: int
    text: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Review:
    """One version of a review.

    `seq` rises in the order of creation; `month` is the month of the visit, e.g. `2026-11`; `reply` is the text of the
    practice's reply, which is versioned separately. `author_id` is None once the patient was erased; `practice_id` is
    None if the visit has no practice.
    """

    id: UUID
    seq: int
    version: int
    appointment_id: str
    author_id: str | None
    npi: str
    practice_id: str | None
    month: str
    status: ReviewStatus
    content: Content
    reply: str | None
    created_at: datetime
    completed_at: datetime | None

    @property
    def is_published(self) -> bool:
        return self.status.state is State.PUBLISHED
