"""Moderation cases and queues."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from millrace_reviews.review.model import Review


@dataclass(frozen=True, slots=True)
class Case:
    """Review to moderate, with the number of flags by reason."""

    review: Review
    flags: Mapping[str, int]


class Queue(StrEnum):
    """Queues of reviews that moderators work through."""

    PENDING = "pending"
    FLAGGED = "flagged"
    REJECTED = "rejected"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class CasePage:
    """Page of a queue; `next` is the position of the next page, None on the last page."""

    items: list[Case]
    next: int | None
