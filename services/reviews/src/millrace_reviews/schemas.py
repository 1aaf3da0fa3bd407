"""Field types shared by the schemas of reviews and replies."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from millrace_platform.patterns import Pattern

TEXT_LIMIT = 4_000
REPLY_LIMIT = 2_000

# Line breaks and tabs are the only control characters allowed in text.
_PROSE = Pattern(
    r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$", "Remove control characters; line breaks and tabs are allowed."
)


def _lines(text: str) -> str:
    return "\n".join(text.splitlines())


def _not_empty(text: str) -> str:
    if not text:
        raise PydanticCustomError("empty", "The text is empty.", {"remedy": "Send a text with at least one character."})
    return text


def _or_none(text: str | None) -> str | None:
    return text or None


Stars = Annotated[int, Field(strict=True, ge=1, le=5, description="From 1 (worst) to 5 (best).", examples=[5])]
Prose = Annotated[str, StringConstraints(strip_whitespace=True, max_length=TEXT_LIMIT), _PROSE, AfterValidator(_lines)]
ReplyText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=REPLY_LIMIT),
    _PROSE,
    AfterValidator(_lines),
    AfterValidator(_not_empty),
]
OptionalProse = Annotated[Prose | None, AfterValidator(_or_none)]
Month = Annotated[str, Field(description="Month of the visit.", examples=["2026-11"])]
