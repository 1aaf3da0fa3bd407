"""Moderation cases and queues."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from millrace_reviews.review.model import Review


@dataclass(frozen=True, slots=True)
class Case:
    """Review with the number of flags by reason."""

    review: Review
    flags: Mapping[str, int]


class Queue(StrEnum):
    """Queues of reviews for moderators."""

    PENDING = "pending"
    FLAGGED = "flagged"
    REJECTED = "rejected"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class CasePage:
    """Page of a queue; `next` is the position of the next page, None on the last one."""

    items: list[Case]
    next: int | None
