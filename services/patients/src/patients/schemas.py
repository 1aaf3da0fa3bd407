"""What the REST resources have in common."""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Text = Annotated[
    str,
    # Control characters have no place in names and addresses.
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
Phone = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=40, pattern=r"^[0-9+(). xX#/-]+$"),
    Field(description="A telephone number in the United States, in any common spelling."),
]
Version = Annotated[
    int, Field(ge=1, description="Rises by one with each change; in quotes it is the resource's ETag.", examples=[3])
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
