"""Insurance plans as REST resources."""

from pydantic import Field

from millrace_directory.insurance_plan.model import InsurancePlan
from millrace_directory.schemas import Body, PlanId, Year
from millrace_platform.resources import Schema, Text, Version


class _Fields(Schema):
    id: PlanId = Field(examples=["12345IL0010001"])
    name: Text = Field(examples=["Lakeshore Silver PPO"])
    issuer: Text | None = Field(None, examples=["Lakeshore Health"])
    years: list[Year] = Field([], max_length=50, description="Plan years.", examples=[[2026]])
    network_tiers: list[Text] = Field([], max_length=50, examples=[["PREFERRED"]])


class InsurancePlanBody(_Fields, Body):
    """The whole state of an insurance plan."""

    def state(self) -> InsurancePlan:
        values = self.model_dump(exclude={"years", "network_tiers"})
        tiers = tuple(dict.fromkeys(self.network_tiers))
        return InsurancePlan(**values, years=tuple(sorted(set(self.years))), network_tiers=tiers)


class InsurancePlanResource(_Fields):
    """Stored insurance plan with its version."""

    version: Version
