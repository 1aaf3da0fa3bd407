"""Insurance cards over HTTP."""

from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field

from millrace_platform.resources import Body, Schema, Text, Version
from patients.record.model import Record

PlanId = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="As in `/v1/insurance-plans`.", examples=["11512NC0100031"]),
]
Number = Annotated[str, Field(pattern=r"^[A-Za-z0-9 ./-]{1,40}$")]


class InsuranceCardFields(Schema):
    """What stands on the card. `dependant_id` names whose it is where it isn't the patient's own."""

    plan_id: PlanId
    member_id: Number
    group_number: Number | None = None
    subscriber_name: Text | None = Field(None, description="Where the patient isn't the subscriber.")
    dependant_id: UUID | None = None


class InsuranceCardBody(InsuranceCardFields, Body):
    """The whole state of an insurance card."""

    read_only: ClassVar[frozenset[str]] = frozenset({"id", "version"})

    def content(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


class InsuranceCardResource(InsuranceCardFields):
    """An insurance card."""

    id: UUID
    version: Version

    @classmethod
    def of(cls, record: Record) -> "InsuranceCardResource":
        return cls.model_validate({**record.content, "id": record.id, "version": record.version})


class InsuranceCardList(Schema):
    """All insurance cards of a patient."""

    items: list[InsuranceCardResource]
