"""Replies over HTTP."""

from typing import ClassVar

from pydantic import Field

from millrace_platform.resources import Body, Schema, Version
from millrace_reviews.schemas import ReplyText


class ReplyBody(Body):
    """What a practice answers. Everybody reads it: nothing in it may tell who the patient is."""

    read_only: ClassVar[frozenset[str]] = frozenset({"version"})

    text: ReplyText = Field(description="At most 2,000 characters.", examples=["Thank you for telling us."])


class ReplyResource(Schema):
    """A practice's answer to a review."""

    text: str
    version: Version
