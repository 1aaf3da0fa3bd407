"""Query parameters of searches, and schemas of responses for the API description (`response` encodes them)."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from millrace_platform.resources import Day
from millrace_search.engine.ranking import Sort
from millrace_search.schemas import Address, NamedPractice, NamedSpecialty, Openings, Position

Short = Annotated[str, Field(min_length=1, max_length=100)]

EXAMPLE: Final[dict[str, Any]] = {
    "results": [
        {
            "id": "6f1c2a9e-9a53-5e0c-8a1d-3c0a5c1f7b42",
            "provider": {
                "npi": "1234567893",
                "name": "Maria O'Connell-Ruiz, MD",
                "sex": "F",
                "specialty": {"slug": "dermatology", "name": "Dermatology"},
                "taxonomy": "207N00000X",
            },
            "location": {
                "address": {
                    "line1": "350 5th Ave",
                    "line2": "Suite 210",
                    "city": "New York",
                    "state": "NY",
                    "zip": "10118",
                },
                "position": {"lat": 40.7484, "lon": -73.9857},
                "time_zone": "America/New_York",
                "phone": "+12125550100",
                "practice": {"id": "0b6f7c5e-1d7d-5a3f-9a64-52d1f7a3e9c0", "name": "Midtown Skin Care"},
            },
            "rating": 4.7,
            "reviews": 132,
            "languages": ["en", "es"],
            "new_patients": True,
            "openings": {
                "from": "2026-11-21",
                "counts": [0, 0, 7, 12, 9, 0, 4, 0, 0, 11, 12, 12, 8, 3],
                "first": ["2026-11-23T09:20:00-05:00", "2026-11-23T13:00:00-05:00", "2026-11-24T09:00:00-05:00"],
            },
            "distance_mi": 0.62,
            "accepted_plan": {"id": "12345NY0010001", "name": "Silver PPO", "issuer": "Example Health"},
        }
    ],
    "total": 1,
    "facets": {
        "specialty": {"dermatology": 1},
        "language": {"en": 1, "es": 1},
        "sex": {"F": 1},
        "new_patients": {"true": 1},
        "min_rating": {"3.0": 1, "3.5": 1, "4.0": 1, "4.5": 1},
    },
    "as_of": "2026-11-21T07:04:30.123Z",
    "next": None,
}


class SearchParameters(BaseModel):
    """Query parameters of a search."""

    model_config = ConfigDict(frozen=True)

    near: Annotated[
        Short,
        Field(description="Center of the search: a ZIP code, or `latitude,longitude` in degrees.", examples=["10001"]),
    ]
    specialty: Annotated[
        Short | None, Field(description="Slug of a specialty, or a NUCC taxonomy code.", examples=["dermatology"])
    ] = None
    visit_reason: Annotated[
        Short | None, Field(description="Slug of a visit reason.", examples=["annual-physical"])
    ] = None
    name: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=300,
            description="Each word must be the beginning of a word in the provider's name; ignores case, accents, "
            "apostrophes, whether words are joined, titles and credentials.",
        ),
    ] = None
    radius_mi: Annotated[float, Field(gt=0, le=100, description="Miles around `near`.")] = 10.0
    plan: Annotated[Short | None, Field(description="Id of an insurance plan that the provider must accept.")] = None
    language: Annotated[
        Short | None, Field(description="ISO 639-1 code or name of a language that the provider speaks.")
    ] = None
    sex: Annotated[Literal["F", "M", "X"] | None, Field(description="Sex of the provider.")] = None
    min_rating: Annotated[float | None, Field(ge=1, le=5, description="Lowest average rating.")] = None
    new_patients: Annotated[
        bool | None, Field(description="`true`: only providers who accept new patients; `false`: only those who don't.")
    ] = None
    available_from: Annotated[Day | None, Field(description="Only with an opening on this local day or later.")] = None
    available_to: Annotated[Day | None, Field(description="Only with an opening on this local day or earlier.")] = None
    available_within: Annotated[
        str | None,
        Field(max_length=10, description="Only with an opening within this many days, including today: `1d` to `60d`."),
    ] = None
    time_of_day: Annotated[
        Literal["morning", "afternoon", "evening"] | None,
        Field(description="Only with an opening before 12:00, from 12:00 to 17:00, or from 17:00 on."),
    ] = None
    mode: Annotated[Literal["in_person", "video"] | None, Field(description="Only with an opening in this mode.")] = (
        None
    )
    patient: Annotated[
        Literal["new", "existing"] | None,
        Field(description="Only with an opening that new or existing patients can book."),
    ] = None
    sort: Annotated[Sort, Field(description="Order of the results, best first.")] = "relevance"
    limit: Annotated[int, Field(ge=1, le=50, description="Maximum number of results per page.")] = 20
    cursor: Annotated[
        str | None,
        Field(
            max_length=4000,
            description="`next` of the previous page; all other parameters but `limit` must be unchanged.",
        ),
    ] = None


class FoundProvider(BaseModel):
    """The provider of a search result."""

    npi: str
    name: str
    sex: str | None
    specialty: NamedSpecialty
    taxonomy: str = Field(description="NUCC code.")


class FoundLocation(BaseModel):
    """The location of a search result."""

    address: Address
    position: Position
    time_zone: str = Field(description="IANA name.")
    phone: str | None
    practice: NamedPractice | None


class AcceptedPlan(BaseModel):
    """The requested insurance plan, which the location accepts."""

    id: str
    name: str
    issuer: str | None


class Result(BaseModel):
    """A search result: a provider at one location."""

    id: str = Field(description="Id of the provider-location.")
    provider: FoundProvider
    location: FoundLocation
    rating: float | None = Field(description="Bayesian average of 1 to 5; null without reviews.")
    reviews: int
    languages: list[str] = Field(description="ISO 639-1 codes.")
    new_patients: bool | None = Field(description="Whether new patients are accepted; null if unknown.")
    openings: Openings | None = Field(description="null if unknown.")
    distance_mi: float = Field(description="Great-circle miles from `near`, to a hundredth.")
    accepted_plan: AcceptedPlan | None = Field(None, description="Present if `plan` was given.")


class FacetCounts(BaseModel):
    """Number of results for each value of a filter, with all other filters applied; zeros are omitted.

    `specialty` counts the current results. `min_rating` counts results with at least that rating.
    """

    specialty: dict[str, int]
    language: dict[str, int]
    sex: dict[str, int]
    new_patients: dict[str, int]
    min_rating: dict[str, int]


class SearchResponse(BaseModel):
    """A page of search results, with facets and total of the whole search."""

    results: list[Result]
    total: int = Field(description="Number of results on all pages.")
    facets: FacetCounts
    as_of: str | None = Field(description="Time up to which all changes are included (RFC 3339); null if unknown.")
    next: str | None = Field(description="`cursor` of the next page; null on the last page.")
