"""Base classes for the schemas of HTTP resources, and field types that several services use."""

from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Final, Generic, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from millrace_platform.patterns import SINGLE_LINE, Pattern

R = TypeVar("R")
D = TypeVar("D", date, datetime)

YEARS: Final = range(2000, 2200)
"""Years of the days and times that requests name; outside of them, date arithmetic could overflow."""

Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    SINGLE_LINE,
]
Npi = Annotated[
    str,
    Pattern(r"^[0-9]{10}$", "Give the ten digits of a National Provider Identifier."),
    Field(description="National Provider Identifier, ten digits."),
]
Phone = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=40),
    Pattern(r"^[0-9+(). xX#/-]+$", "Give area code and number in digits, such as (312) 555-0142."),
    Field(description="A telephone number in the United States, in any common format."),
]
Version = Annotated[
    int, Field(ge=1, description="Increases by one with each change; in quotes it is the ETag.", examples=[3])
]
Next = Annotated[
    str | None, Field(description="Cursor of the next page, null on the last one. The `Link` header has its URL.")
]


def _reject_number(value: Any) -> Any:
    """Reject a number, which pydantic would accept as seconds since 1970, although the JSON schema says string."""
    if isinstance(value, int | float):
        raise PydanticCustomError("date_type", "It is a number.", {"remedy": "Give a date as YYYY-MM-DD."})
    return value


def require_near(day: D) -> D:
    """Return the day or time; raise a validation error unless its year is one of `YEARS`."""
    if day.year not in YEARS:
        remedy = f"Give a year from {YEARS[0]} to {YEARS[-1]}."
        raise PydanticCustomError("year", "The day is too far from today.", {"remedy": remedy})
    return day


Date: TypeAlias = Annotated[date, BeforeValidator(_reject_number)]
"""A date in any year, as YYYY-MM-DD; for arithmetic use `Day`."""
Day: TypeAlias = Annotated[Date, AfterValidator(require_near)]
"""A day of this platform's time, as YYYY-MM-DD."""
Moment: TypeAlias = Annotated[
    AwareDatetime,
    AfterValidator(require_near),
    Field(description="RFC 3339 with offset.", examples=["2026-11-23T09:30:00-05:00"]),
]
"""A time with its offset from UTC, within this platform's time."""


class Schema(BaseModel):
    """Base class of resources."""

    model_config = ConfigDict(frozen=True)


class Body(Schema):
    """Base class of request bodies: rejects unknown fields; its errors don't contain values of the request.

    Ignores the fields named in `read_only`, so that a client can change the response of a GET and send it back.
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
