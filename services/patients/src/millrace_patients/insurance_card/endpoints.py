"""REST API of insurance cards."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from millrace_patients.record.endpoints import record_routes
from millrace_patients.record.schemas import RecordBody, RecordList, RecordResource
from millrace_platform.patterns import PLAN_ID, Pattern
from millrace_platform.resources import Schema, Text

PlanId = Annotated[
    str,
    PLAN_ID,
    Field(description="As in `/v1/insurance-plans`.", examples=["11512NC0100031"]),
]
Number = Annotated[
    str,
    Pattern(r"^[A-Za-z0-9 ./-]{1,40}$", "Give 1 to 40 letters, digits, spaces, dots, slashes and hyphens."),
]


class InsuranceCardFields(Schema):
    """Data on an insurance card. `dependant_id` names the insured dependant; null for the patient's own card."""

    plan_id: PlanId
    member_id: Number
    group_number: Number | None = None
    subscriber_name: Text | None = Field(None, description="Set if the patient is not the subscriber.")
    dependant_id: UUID | None = None


class InsuranceCardBody(InsuranceCardFields, RecordBody):
    """Complete data of an insurance card."""


class InsuranceCardResource(RecordResource, InsuranceCardFields):
    """Stored insurance card of a patient or dependant."""


class InsuranceCardList(RecordList[InsuranceCardResource]):
    """All insurance cards of a patient."""


router = record_routes(
    "insurance card",
    records=lambda patients: patients.insurance_cards,
    body=InsuranceCardBody,
    resource=InsuranceCardResource,
    list_schema=InsuranceCardList,
)
