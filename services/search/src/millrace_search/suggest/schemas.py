"""Schemas of suggestions."""

from pydantic import BaseModel, Field

from millrace_search.schemas import NamedSpecialty


class SuggestedReason(BaseModel):
    """A suggested reason for a visit."""

    slug: str = Field(examples=["annual-physical"])
    name: str = Field(examples=["Annual Physical"])


class SuggestedProvider(BaseModel):
    """A suggested provider with the city of one location."""

    npi: str = Field(examples=["1234567893"])
    name: str = Field(examples=["Maria O'Connell-Ruiz, MD"])
    specialty: NamedSpecialty | None
    city: str = Field(examples=["New York"])
    state: str = Field(examples=["NY"])


class SuggestedPlan(BaseModel):
    """A suggested insurance plan."""

    id: str = Field(examples=["12345NY0010001"])
    name: str = Field(examples=["Silver PPO"])
    issuer: str | None = Field(examples=["Example Health"])


class SuggestionsResponse(BaseModel):
    """Suggestions by type, best first."""

    specialties: list[NamedSpecialty]
    visit_reasons: list[SuggestedReason]
    providers: list[SuggestedProvider]
    plans: list[SuggestedPlan]
