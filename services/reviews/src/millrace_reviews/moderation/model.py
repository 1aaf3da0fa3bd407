"""Moderation cases and queues."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from millrace_reviews.review.model import Review


@dataclass(frozen=True, slots=True)
class Case:
    """Review to moderate, with the number of its flags by reason."""

    review: Review
    flags: Mapping[str, int]


class Queue(StrEnum):
    """Lists of reviews for moderators, by state; `flagged` are published reviews with flags."""

    PENDING = "pending"
    FLAGGED = "flagged"
    REJECTED = "rejected"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class CasePage:
    """Page of a queue; pass `next` as `position` to get the next page; None on the last page."""

    items: list[Case]
    next: int | None
