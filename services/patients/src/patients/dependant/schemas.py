"""Dependants over HTTP."""

from typing import Any, ClassVar, Literal
from uuid import UUID

from millrace_platform.resources import Body, Schema, Version
from patients.patient.schemas import PersonFields
from patients.record.model import Record


class DependantFields(PersonFields):
    """What is known of a dependant; `relationship` is the dependant's to the patient."""

    relationship: Literal["child", "spouse", "partner", "parent", "sibling", "ward", "other"]


class DependantBody(DependantFields, Body):
    """The whole state of a dependant."""

    read_only: ClassVar[frozenset[str]] = frozenset({"id", "version"})

    def content(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


class DependantResource(DependantFields):
    """A dependant."""

    id: UUID
    version: Version

    @classmethod
    def of(cls, record: Record) -> "DependantResource":
        return cls.model_validate({**record.content, "id": record.id, "version": record.version})


class DependantList(Schema):
    """All dependants of a patient."""

    items: list[DependantResource]
