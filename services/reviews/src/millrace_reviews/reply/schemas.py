"""Request and response schemas of replies."""

from typing import ClassVar

from pydantic import Field

from millrace_platform.resources import Body, Schema, Version
from millrace_reviews.schemas import ReplyText


class ReplyBody(Body):
    """Public reply. It must not identify the patient."""

    read_only: ClassVar[frozenset[str]] = frozenset({"version"})

    text: ReplyText = Field(description="At most 2,000 characters.", examples=["Thank you for your feedback."])


class ReplyResource(Schema):
    """Reply of a practice to a review."""

    text: str
    version: Version
