"""Provider-locations as REST resources."""

from uuid import UUID

from pydantic import Field, StrictBool

from millrace_contracts.entities import provider_location_id
from millrace_directory.location.schemas import AddressBody
from millrace_directory.provider_location.model import ProviderLocation
from millrace_directory.schemas import Body, PlanId, Taxonomy
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


class ProviderLocationBody(_Fields, Body):
    """The whole state of a provider-location."""

    read_only = Body.read_only | {"id", "address", "practice_id", "practice_name"}

    def state(self) -> ProviderLocation:
        key = UUID(provider_location_id(self.npi, str(self.location_id)))
        values = self.model_dump(exclude={"accepted_plans"})
        return ProviderLocation(id=key, **values, accepted_plans=tuple(sorted(set(self.accepted_plans))))


class ProviderLocationResource(_Fields):
    """Stored provider-location with its version. `address` and practice are those of its location."""

    id: UUID
    version: Version
    address: AddressBody
    practice_id: UUID | None = None
    practice_name: str | None = None
