"""A review, and its way through moderation: all that is decided, without I/O.

                 ┌──────────── revise, clean ───────────┐
submit, clean ─▶ PUBLISHED ──hide──▶ HIDDEN ──publish──▶ PUBLISHED
submit, held  ─▶ PENDING ──publish──▶ PUBLISHED ──revise, held──▶ PENDING
                 PENDING ──reject───▶ REJECTED ──publish──▶ PUBLISHED
HIDDEN, REJECTED ──revise──▶ PENDING, which then only a moderator publishes
any ──withdraw──▶ WITHDRAWN, for good
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID


class State(StrEnum):
    """Where a review stands. Only what is published is seen by others and counts."""

    PENDING = "pending"
    PUBLISHED = "published"
    REJECTED = "rejected"
    HIDDEN = "hidden"
    WITHDRAWN = "withdrawn"


class Reason(StrEnum):
    """Why a review is flagged, rejected or hidden."""

    ABUSIVE = "abusive"
    ADVERTISING = "advertising"
    OFF_TOPIC = "off_topic"
    PERSONAL_INFORMATION = "personal_information"


DECISIONS: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        State.PENDING: frozenset({State.PUBLISHED, State.REJECTED}),
        State.PUBLISHED: frozenset({State.PUBLISHED, State.HIDDEN}),
        State.REJECTED: frozenset({State.PUBLISHED}),
        State.HIDDEN: frozenset({State.PUBLISHED}),
        State.WITHDRAWN: frozenset(),
    }
)
"""What a moderator may make of a review. To publish what is published means: it stays, whatever it was flagged for."""


class IllegalMoveError(Exception):
    """The review can't go there from where it stands."""

    def __init__(self, before: State, after: State) -> None:
        super().__init__(f"a review that is {before} can't become {after}")
        self.before = before
        self.after = after


@dataclass(frozen=True, slots=True)
class Standing:
    """`doubted`: a moderator took it down, so that no screening alone may publish it again. `reason` says what for."""

    state: State
    doubted: bool = False
    reason: Reason | None = None

    @classmethod
    def submitted(cls, findings: Collection[str]) -> "Standing":
        """A new review. `findings` are what the screening holds it for."""
        return cls(State.PENDING if findings else State.PUBLISHED)

    def revised(self, findings: Collection[str]) -> "Standing":
        """The author changed it."""
        after = State.PENDING if self.doubted or findings else State.PUBLISHED
        if self.state is State.WITHDRAWN:
            raise IllegalMoveError(self.state, after)
        return Standing(after, self.doubted)

    def decided(self, after: State, reason: Reason | None = None) -> "Standing":
        """A moderator decided. Raises `IllegalMoveError` unless `DECISIONS` has it."""
        if after not in DECISIONS[self.state]:
            raise IllegalMoveError(self.state, after)
        is_down = after is not State.PUBLISHED
        return Standing(after, doubted=is_down, reason=reason if is_down else None)

    def withdrawn(self) -> "Standing":
        """The author took it back."""
        if self.state is State.WITHDRAWN:
            raise IllegalMoveError(self.state, State.WITHDRAWN)
        return Standing(State.WITHDRAWN, self.doubted)


@dataclass(frozen=True, slots=True)
class Content:
    """What the author gives: stars from 1 to 5, and a text or none."""

    overall: int
    bedside_manner: int
    wait_time: int
    text: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Review:
    """A review at a version. `seq` rises with the making of reviews; `month` is that of the visit, e.g. `2026-11`.

    `reply` is the practice's, which has versions of its own.

    `author_id` is None once the patient was erased; `practice_id` is that of the visit, None where it had none.
    """

    id: UUID
    seq: int
    version: int
    appointment_id: str
    author_id: str | None
    npi: str
    practice_id: str | None
    month: str
    standing: Standing
    content: Content
    reply: str | None
    created_at: datetime
    completed_at: datetime | None

    @property
    def is_published(self) -> bool:
        return self.standing.state is State.PUBLISHED
