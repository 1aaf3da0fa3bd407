"""Moderation over HTTP."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from millrace_platform.resources import Body, Next, Schema, Version
from millrace_reviews.moderation.model import Case
from millrace_reviews.review.model import Reason, State
from millrace_reviews.review.schemas import PublicReview
from millrace_reviews.review.screening import Finding, screen


class CaseResource(PublicReview):
    """A review as a moderator sees it; who wrote it is nothing to judge by."""

    practice_id: str | None
    state: State
    reason: Reason | None
    findings: list[Finding] = Field(description="What the screening holds the text for.")
    flags: dict[Reason, int] = Field(description="How many flagged it since the last decision, by reason.")
    version: Version

    @classmethod
    def of_case(cls, case: Case) -> "CaseResource":
        review = case.review
        return cls(
            **PublicReview.of(review).model_dump(),
            practice_id=review.practice_id,
            state=review.standing.state,
            reason=review.standing.reason,
            findings=sorted(screen(review.content.text)),
            flags={Reason(reason): count for reason, count in case.flags.items()},
            version=review.version,
        )


class Cases(Schema):
    """A page of a queue, oldest first."""

    items: list[CaseResource]
    next: Next


class DecisionBody(Body):
    """What becomes of a review. To publish what is published settles its flags."""

    read_only: ClassVar[frozenset[str]] = frozenset()

    state: Literal["published", "rejected", "hidden"]
    reason: Reason | None = Field(None, description="Why it is rejected or hidden; its author reads it.")

    @model_validator(mode="after")
    def _says_why(self) -> "DecisionBody":
        if self.state != "published" and self.reason is None:
            known = ", ".join(Reason)
            raise PydanticCustomError(
                "no_reason", "It needs a reason.", {"remedy": f"Give as `reason` one of {known}."}
            )
        return self


class FlagBody(Body):
    """What is wrong with a review."""

    reason: Reason
