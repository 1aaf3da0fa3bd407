"""What resources over HTTP have in common: the bases of their schemas, and fields that several services have."""

from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

R = TypeVar("R")

Text = Annotated[
    str,
    # Control characters have no place in names and addresses, and NUL none in PostgreSQL.
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
Npi = Annotated[str, Field(pattern=r"^[0-9]{10}$", description="National Provider Identifier, ten digits.")]
Phone = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=40, pattern=r"^[0-9+(). xX#/-]+$"),
    Field(description="A telephone number in the United States, in any common spelling."),
]
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
    """Base of what clients send: unknown fields are refused, and what was sent stands in no error.

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


class PageOf(Schema, Generic[R]):
    """A page of a list."""

    items: list[R]
    next: Next
