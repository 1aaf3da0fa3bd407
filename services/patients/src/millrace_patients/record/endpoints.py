"""REST for the records that a patient has several of: the routes of one kind are those of another."""

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Request, Response

from millrace_patients.access import InCaller
from millrace_patients.dependencies import InPatients, Patients
from millrace_patients.http import CHANGE, CREATE, READ
from millrace_patients.record.model import Record
from millrace_patients.record.schemas import RecordBody, RecordList, RecordResource
from millrace_patients.record.service import Records
from millrace_platform.preconditions import IfMatch
from millrace_platform.responses import NO_STORE, tagged

F = TypeVar("F", bound=Callable[..., Any])


def record_routes(
    path: str,
    *,
    one: str,
    many: str,
    records: Callable[[Patients], Records],
    body: type[RecordBody],
    resource: type[RecordResource],
    listed: type[RecordList[Any]],
) -> APIRouter:
    """Routes below a patient's `path`. `one` and `many` name the records in summaries, e.g. `a dependant`."""
    router = APIRouter(prefix=f"/v1/patients/{{patient_id}}/{path}", tags=[many])

    def taking_body(endpoint: F) -> F:
        # Which schema a body has is known only here; FastAPI reads it off the annotation.
        endpoint.__annotations__["body"] = body
        return endpoint

    def shown(record: Record, response: Response) -> RecordResource:
        response.headers.update(tagged(record.version))
        return resource.of(record)

    @router.get("", summary=f"List a patient's {many}", responses=READ, response_model=listed)
    async def index(patients: InPatients, caller: InCaller, patient_id: UUID, response: Response) -> RecordList[Any]:
        """For the patient and staff of practices that the patient shares with."""
        response.headers.update(NO_STORE)
        found = await records(patients).list(caller, patient_id)
        return listed(items=[resource.of(record) for record in found])

    @router.post("", summary=f"Add {one}", status_code=201, responses=CREATE, response_model=resource)
    @taking_body
    async def create(
        *,
        request: Request,
        patients: InPatients,
        caller: InCaller,
        patient_id: UUID,
        body: RecordBody,
        response: Response,
    ) -> RecordResource:
        """For the patient, once there is a profile."""
        made = await records(patients).create(caller, patient_id, body.content())
        response.headers["Location"] = f"{request.url.path}/{made.id}"
        return shown(made, response)

    @router.get("/{record_id}", summary=f"Get {one}", responses=READ, response_model=resource)
    async def get(
        patients: InPatients, caller: InCaller, patient_id: UUID, record_id: UUID, response: Response
    ) -> RecordResource:
        """For the patient and staff of practices that the patient shares with."""
        return shown(await records(patients).get(caller, patient_id, record_id), response)

    @router.put("/{record_id}", summary=f"Replace {one}", responses=CHANGE, response_model=resource)
    @taking_body
    async def replace(
        *,
        patients: InPatients,
        caller: InCaller,
        patient_id: UUID,
        record_id: UUID,
        match: IfMatch,
        body: RecordBody,
        response: Response,
    ) -> RecordResource:
        """For the patient."""
        return shown(await records(patients).replace(caller, patient_id, record_id, match, body.content()), response)

    @router.delete("/{record_id}", summary=f"Delete {one}", status_code=204, responses=CHANGE)
    async def delete(patients: InPatients, caller: InCaller, patient_id: UUID, record_id: UUID, match: IfMatch) -> None:
        """For the patient."""
        await records(patients).delete(caller, patient_id, record_id, match)

    return router
