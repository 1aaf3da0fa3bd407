"""Request and response schemas of moderation."""

from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from millrace_platform.resources import Body, Next, Schema, Version
from millrace_reviews.moderation.model import Case
from millrace_reviews.review.model import Reason, State
from millrace_reviews.review.schemas import PublicReview
from millrace_reviews.review.screening import Finding, screen


class CaseResource(PublicReview):
    """Review as moderators see it, without its author."""

    practice_id: str | None
    state: State
    reason: Reason | None
    findings: list[Finding] = Field(description="Findings of the screening in the text.")
    flags: dict[Reason, int] = Field(description="Number of flags since the last decision, by reason.")
    version: Version

    @classmethod
    def of_case(cls, case: Case) -> "CaseResource":
        review = case.review
        return cls(
            **PublicReview.of(review).model_dump(),
            practice_id=review.practice_id,
            state=review.status.state,
            reason=review.status.reason,
            findings=sorted(screen(review.content.text)),
            flags={Reason(reason): count for reason, count in case.flags.items()},
            version=review.version,
        )


class CaseList(Schema):
    """Page of a queue, oldest first."""

    items: list[CaseResource]
    next: Next


class DecisionBody(Body):
    """A moderator's decision on a review. Publishing a published review discards its flags."""

    state: Literal["published", "rejected", "hidden"]
    reason: Reason | None = Field(None, description="Reason of a rejection or hiding; shown to the author.")

    @model_validator(mode="after")
    def _require_reason(self) -> "DecisionBody":
        if self.state != "published" and self.reason is None:
            reasons = ", ".join(Reason)
            raise PydanticCustomError(
                "no_reason", "The decision has no reason.", {"remedy": f"Send a `reason`: one of {reasons}."}
            )
        return self


class FlagBody(Body):
    """Flag that reports a review to moderators."""

    reason: Reason
