"""Schemas and problems shared by several endpoints."""

from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from millrace_platform.errors import FieldError, Unprocessable
from millrace_platform.openapi import described_problems


class NamedSpecialty(BaseModel):
    """A medical specialty: its identifier in requests and its name."""

    slug: str = Field(examples=["dermatology"])
    name: str = Field(examples=["Dermatology"])


class Address(BaseModel):
    """A postal address in the United States or a territory."""

    line1: str = Field(examples=["350 5th Ave"])
    line2: str | None = None
    city: str = Field(examples=["New York"])
    state: str = Field(examples=["NY"])
    zip: str = Field(examples=["10118"])


class Position(BaseModel):
    """A position in WGS 84 degrees."""

    lat: float = Field(examples=[40.7484])
    lon: float = Field(examples=[-73.9857])


class NamedPractice(BaseModel):
    """The practice that runs a location."""

    id: str
    name: str | None = None


class Openings(BaseModel):
    """The next openings for visits. `/v1/availability` returns all times."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    from_: str = Field(alias="from", description="Today's local date.", examples=["2026-11-21"])
    counts: list[int | None] = Field(
        description="Openings on each of 14 days from that date on, including past ones of today; 31 stands for 31 or "
        "more, null for an unknown day."
    )
    first: list[str] = Field(
        description="The first time in each of the next parts of days (morning, afternoon, evening) with openings: "
        "RFC 3339 with the local offset, at most 4."
    )


_DESCRIPTIONS: Final = {
    404: "Unknown provider.",
    422: "Invalid parameters; `errors` lists each with a remedy and, if possible, the nearest valid values.",
    503: "The data is unavailable; try again after `Retry-After` seconds.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI descriptions of the problem responses with these statuses, by status."""
    return described_problems(_DESCRIPTIONS, *statuses)


def invalid_parameter(field: str, detail: str, remedy: str) -> Unprocessable:
    """Return the problem for one invalid parameter of a request."""
    return Unprocessable(errors=[FieldError(field=field, detail=detail, remedy=remedy)])


_REMEDIES: Final = {
    "near": "Look the ZIP code up at the USPS, or give latitude and longitude.",
    "specialty": "GET /v1/specialties lists the specialties.",
    "visit_reason": "GET /v1/visit-reasons lists the visit reasons.",
    "language": "Give an ISO 639-1 code such as es, or the English name of a language.",
    "plan": "GET /v1/insurance-plans lists the plans.",
}
"""Remedies for a parameter without a value near the unknown one."""


def unknown_value(field: str, detail: str, nearest: Iterable[str]) -> Unprocessable:
    """Return the problem for a parameter with an unknown value; the remedy names the nearest known values, if any."""
    candidates = " or ".join(nearest)
    remedy = f"Did you mean {candidates}?" if candidates else _REMEDIES[field]
    return invalid_parameter(field, detail, remedy)
