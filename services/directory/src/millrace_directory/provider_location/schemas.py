"""Provider-locations as REST resources."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, StrictBool

from millrace_contracts.entities import provider_location_id
from millrace_directory.location.schemas import AddressBody
from millrace_directory.provider_location.model import ProviderLocation, join_plan_years
from millrace_directory.schemas import Body, PlanId, Taxonomy, Year
from millrace_platform.resources import Npi, Phone, Schema, Version


class _Fields(Schema):
    npi: Npi = Field(examples=["1679576722"])
    location_id: UUID
    taxonomy: Taxonomy = Field(
        description="NUCC taxonomy code of what the provider practices here.", examples=["207Q00000X"]
    )
    phone: Phone | None = Field(None, examples=["(312) 555-0142"])
    new_patients: StrictBool | None = Field(None, description="Whether new patients are accepted; null if unknown.")
    accepted_plans: list[PlanId] = Field(
        [], max_length=2_000, description="Ids of insurance plans.", examples=[["12345IL0010001"]]
    )
    accepted_plan_years: dict[PlanId, Annotated[list[Year], Field(min_length=1, max_length=50)]] = Field(
        {},
        max_length=2_000,
        description="The years in which an accepted plan is accepted; a plan without an entry is in all years.",
        examples=[{"12345IL0010001": [2026]}],
    )


class ProviderLocationBody(_Fields, Body):
    """The whole state of a provider-location."""

    read_only = Body.read_only | {"id", "address", "practice_id", "practice_name", "is_pending"}

    def state(self) -> ProviderLocation:
        key = UUID(provider_location_id(self.npi, str(self.location_id)))
        values = self.model_dump(exclude={"accepted_plans", "accepted_plan_years"})
        plans = sorted(set(self.accepted_plans))
        years = join_plan_years({plan: self.accepted_plan_years.get(plan, []) for plan in plans})
        return ProviderLocation(id=key, **values, accepted_plans=tuple(plans), accepted_plan_years=years)


class ProviderLocationResource(_Fields):
    """Stored provider-location with its version. `address` and practice are those of its location."""

    id: UUID
    version: Version
    address: AddressBody
    practice_id: UUID | None = None
    practice_name: str | None = None
    is_pending: bool = Field(
        description="Whether another practice of the provider still has to confirm it: it isn't searched or booked."
    )
