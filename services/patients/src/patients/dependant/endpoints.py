"""REST for dependants."""

from patients.dependant.schemas import DependantBody, DependantList, DependantResource
from patients.record.endpoints import record_routes

router = record_routes(
    "dependants",
    one="a dependant",
    many="dependants",
    records=lambda patients: patients.dependants,
    body=DependantBody,
    resource=DependantResource,
    listed=DependantList,
)
