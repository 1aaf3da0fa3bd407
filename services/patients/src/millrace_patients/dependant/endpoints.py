"""REST API of dependants."""

from typing import Literal

from millrace_patients.patient.schemas import PersonFields
from millrace_patients.record.endpoints import record_routes
from millrace_patients.record.schemas import RecordBody, RecordList, RecordResource


class DependantFields(PersonFields):
    """Data of a dependant. `relationship` is what the dependant is to the patient, e.g. `child`."""

    relationship: Literal["child", "spouse", "partner", "parent", "sibling", "ward", "other"]


class DependantBody(DependantFields, RecordBody):
    """Complete data of a dependant."""


class DependantResource(RecordResource, DependantFields):
    """Stored dependant, a person the patient books for."""


class DependantList(RecordList[DependantResource]):
    """All dependants of a patient."""


router = record_routes(
    "dependant",
    records=lambda patients: patients.dependants,
    body=DependantBody,
    resource=DependantResource,
    list_schema=DependantList,
)
