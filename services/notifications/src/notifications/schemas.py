"""What the REST resources have in common."""

from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

R = TypeVar("R")

Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Version = Annotated[
    int, Field(ge=1, description="Rises by one with each change; in quotes it is the resource's ETag.", examples=[3])
]


class Schema(BaseModel):
    """Base of all resources."""

    model_config = ConfigDict(frozen=True)


class Body(Schema):
    """Base of what clients send: unknown fields are refused; what a GET shows beyond that is ignored."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    read_only: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _without_read_only(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {name: value for name, value in data.items() if name not in cls.read_only}
        return data


class PageOf(Schema, Generic[R]):
    """A page of a list; `next`, unless null, is the cursor of the one behind it."""

    items: list[R]
    next: str | None
