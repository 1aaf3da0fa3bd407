"""What the REST resources have in common."""

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

TEXT_LIMIT = 4_000
REPLY_LIMIT = 2_000

# Line breaks and tabs are all of the control characters that have a place in prose.
_PROSE = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"


def _lines(text: str) -> str:
    return "\n".join(text.splitlines())


def _not_empty(text: str) -> str:
    if not text:
        raise PydanticCustomError("empty", "There is nothing in it.", {"remedy": "Write something, or leave it out."})
    return text


def _or_none(text: str | None) -> str | None:
    return text or None


Stars = Annotated[int, Field(strict=True, ge=1, le=5, description="From 1, the worst, to 5, the best.", examples=[5])]
Prose = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=TEXT_LIMIT, pattern=_PROSE),
    AfterValidator(_lines),
]
ReplyText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=REPLY_LIMIT, pattern=_PROSE),
    AfterValidator(_lines),
    AfterValidator(_not_empty),
]
OptionalProse = Annotated[Prose | None, AfterValidator(_or_none)]
Npi = Annotated[str, Field(pattern=r"^[0-9]{10}$", description="National Provider Identifier, ten digits.")]
Month = Annotated[str, Field(description="Of the visit.", examples=["2026-11"])]
Version = Annotated[
    int, Field(ge=1, description="Rises by one with each change; in quotes it is the resource's ETag.", examples=[3])
]
Next = Annotated[
    str | None,
    Field(description="Cursor of the next page, null on the last one. The `Link` header has its URL."),
]


class Schema(BaseModel):
    """Base of all resources."""

    model_config = ConfigDict(frozen=True)


class Body(Schema):
    """Base of what clients send: unknown fields are refused.

    What a GET shows beyond that (`read_only`) may be sent back and is ignored, so that a client can change what it got.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    read_only: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _without_read_only(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {name: value for name, value in data.items() if name not in cls.read_only}
        return data
