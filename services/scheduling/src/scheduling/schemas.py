"""What the REST resources have in common."""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
