"""What several of the answers have in common, as the API description shows it."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from millrace_platform.openapi import described_problems


class NamedSpecialty(BaseModel):
    """A specialty."""

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
    """WGS 84 degrees."""

    lat: float = Field(examples=[40.7484])
    lon: float = Field(examples=[-73.9857])


class NamedPractice(BaseModel):
    """The practice that runs a location."""

    id: str
    name: str | None = None


class Openings(BaseModel):
    """When the next visits can be booked. `/v1/availability` has all times."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    from_: str = Field(alias="from", description="Today's date at the place.", examples=["2026-11-21"])
    counts: list[int | None] = Field(
        description="Openings on each of 14 days from that one on, what is past of today included; 31 stands for 31 or "
        "more, null for a day that isn't known."
    )
    first: list[str] = Field(
        description="The first time in each of the next parts of days (morning, afternoon, evening) that have any: "
        "RFC 3339 with the place's offset, at most 4."
    )


_DESCRIPTIONS: Final = {
    404: "There is no such provider.",
    422: "Parameters are invalid; `errors` names each with its remedy, where it can with the nearest suggestions.",
    503: "The read model can't be read now; try again after `Retry-After` seconds.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The description of an endpoint's problems."""
    return described_problems(_DESCRIPTIONS, *statuses)
