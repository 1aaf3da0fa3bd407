"""What a moderator looks at."""

from collections.abc import Mapping
from dataclasses import dataclass

from millrace_reviews.review.model import Review


@dataclass(frozen=True, slots=True)
class Case:
    """A review, and how many flagged it for which reason."""

    review: Review
    flags: Mapping[str, int]
