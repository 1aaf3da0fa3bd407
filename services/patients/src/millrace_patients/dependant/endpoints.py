"""REST for dependants."""

from millrace_patients.dependant.schemas import DependantBody, DependantList, DependantResource
from millrace_patients.record.endpoints import record_routes

router = record_routes(
    "dependants",
    one="a dependant",
    many="dependants",
    records=lambda patients: patients.dependants,
    body=DependantBody,
    resource=DependantResource,
    listed=DependantList,
)
