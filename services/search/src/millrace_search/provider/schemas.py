"""Schemas of provider pages."""

from pydantic import BaseModel, Field

from millrace_contracts import entities
from millrace_reference.specialties import find_specialty, taxonomy_name
from millrace_search.index.openings import UNKNOWN
from millrace_search.provider.model import ProviderView
from millrace_search.schemas import Address, NamedPractice, NamedSpecialty, Openings, Position


class Taxonomy(BaseModel):
    """A NUCC taxonomy code and its name."""

    code: str = Field(examples=["207N00000X"])
    name: str | None = Field(examples=["Dermatology"])


class Reviews(BaseModel):
    """Number of reviews by patients and their average ratings, from 1 to 5."""

    count: int
    overall: float = Field(examples=[4.7])
    bedside_manner: float | None = None
    wait_time: float | None = None


class ProviderLocation(BaseModel):
    """One location where the provider sees patients."""

    id: str
    location_id: str
    specialty: NamedSpecialty | None
    taxonomy: Taxonomy
    address: Address
    position: Position | None
    time_zone: str | None = Field(description="IANA name.", examples=["America/New_York"])
    phone: str | None
    practice: NamedPractice | None
    accepted_plans: list[str] = Field(description="Ids of the insurance plans that are accepted this year.")
    new_patients: bool | None
    openings: Openings | None = Field(description="null if unknown.")


class ProviderPage(BaseModel):
    """A provider with all locations."""

    npi: str = Field(examples=["1234567893"])
    name: str = Field(examples=["Maria O'Connell-Ruiz, MD"])
    first_name: str
    middle_name: str | None
    last_name: str
    credential: str | None
    sex: str | None
    languages: list[str] = Field(description="ISO 639-1 codes.")
    specialty: NamedSpecialty | None
    taxonomy: Taxonomy
    taxonomies: list[Taxonomy]
    reviews: Reviews | None
    locations: list[ProviderLocation]


class ProviderLocations(BaseModel):
    """The locations of a provider, ordered by id."""

    items: list[ProviderLocation]


def to_page(page: ProviderView) -> ProviderPage:
    """Convert a provider to the response for its page."""
    provider, reviews = page.provider, page.collection.reviews
    return ProviderPage(
        npi=provider.npi,
        name=provider.display_name or f"{provider.first_name} {provider.last_name}",
        first_name=provider.first_name,
        middle_name=provider.middle_name,
        last_name=provider.last_name,
        credential=provider.credential,
        sex=provider.sex,
        languages=list(provider.languages),
        specialty=_specialty(provider.specialty),
        taxonomy=_taxonomy(provider.taxonomy),
        taxonomies=[_taxonomy(code) for code in provider.taxonomies],
        reviews=Reviews.model_validate(reviews, from_attributes=True) if reviews else None,
        locations=to_locations(page),
    )


def to_locations(page: ProviderView) -> list[ProviderLocation]:
    """Convert the locations of a provider to responses."""
    return [_location(page, each) for each in page.collection.locations]


def _location(page: ProviderView, location: entities.ProviderLocation) -> ProviderLocation:
    openings = page.openings(location)
    practice = NamedPractice(id=location.practice_id, name=location.practice_name) if location.practice_id else None
    return ProviderLocation(
        id=location.id,
        location_id=location.location_id,
        specialty=_specialty(location.specialty),
        taxonomy=_taxonomy(location.taxonomy),
        address=Address.model_validate(location.address, from_attributes=True),
        position=Position.model_validate(location.position, from_attributes=True) if location.position else None,
        time_zone=location.time_zone,
        phone=location.phone,
        practice=practice,
        accepted_plans=page.accepted_plans(location),
        new_patients=location.new_patients,
        openings=None if openings == UNKNOWN else Openings.model_validate_json(openings),
    )


def _specialty(slug: str | None) -> NamedSpecialty | None:
    known = find_specialty(slug) if slug else None
    return NamedSpecialty(slug=known.slug, name=known.name) if known else None


def _taxonomy(code: str) -> Taxonomy:
    return Taxonomy(code=code, name=taxonomy_name(code))
