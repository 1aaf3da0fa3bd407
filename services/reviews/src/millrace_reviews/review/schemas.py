"""Request and response schemas of reviews."""

from dataclasses import asdict
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from millrace_platform.resources import Body, Next, Npi, Schema, Version
from millrace_reviews.review.model import Content, Reason, Review, State
from millrace_reviews.schemas import Month, OptionalProse, Stars


class ReviewFields(Schema):
    """Ratings from 1 to 5 stars and the text of a review."""

    overall: Stars
    bedside_manner: Stars
    wait_time: Stars
    text: OptionalProse = Field(None, description="At most 4,000 characters.", examples=["Listened, and explained."])


class ReviewBody(ReviewFields, Body):
    """Complete content of a review."""

    read_only: ClassVar[frozenset[str]] = frozenset(
        {"id", "version", "appointment_id", "npi", "visit_month", "state", "reason", "reply"}
    )

    def content(self) -> Content:
        return Content(self.overall, self.bedside_manner, self.wait_time, self.text)


class NewReviewBody(ReviewBody):
    """New review of a visit."""

    read_only: ClassVar[frozenset[str]] = frozenset()

    appointment_id: UUID = Field(description="Completed appointment of the caller.")


class PublicReview(ReviewFields):
    """Review as the public sees it: with the month of the visit, without the patient."""

    id: UUID
    npi: Npi
    visit_month: Month
    reply: str | None = Field(description="Reply of the practice.")

    @classmethod
    def of(cls, review: Review) -> "PublicReview":
        content = asdict(review.content)
        return cls(id=review.id, npi=review.npi, visit_month=review.month, reply=review.reply, **content)


class OwnReview(PublicReview):
    """Review as its author sees it. `reason` is set if a moderator rejected or hid it."""

    appointment_id: str
    state: State
    reason: Reason | None
    version: Version

    @classmethod
    def of(cls, review: Review) -> "OwnReview":
        return cls(
            **PublicReview.of(review).model_dump(),
            appointment_id=review.appointment_id,
            state=review.status.state,
            reason=review.status.reason,
            version=review.version,
        )


class PublicReviewList(Schema):
    """Page of reviews, newest first."""

    items: list[PublicReview]
    next: Next


class OwnReviewList(Schema):
    """Page of the caller's reviews, newest first."""

    items: list[OwnReview]
    next: Next
