"""Dependants over HTTP."""

from typing import Literal

from millrace_patients.patient.schemas import PersonFields
from millrace_patients.record.schemas import RecordBody, RecordList, RecordResource


class DependantFields(PersonFields):
    """What is known of a dependant; `relationship` is the dependant's to the patient."""

    relationship: Literal["child", "spouse", "partner", "parent", "sibling", "ward", "other"]


class DependantBody(DependantFields, RecordBody):
    """The whole state of a dependant."""


class DependantResource(RecordResource, DependantFields):
    """A dependant."""


class DependantList(RecordList[DependantResource]):
    """All dependants of a patient."""
