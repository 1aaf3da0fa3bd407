"""REST API of records (dependants and insurance cards): the same routes for each kind."""

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Request, Response

from millrace_patients.dependencies import CHANGE, CREATE, READ, InPatients, Patients
from millrace_patients.record.model import Record
from millrace_patients.record.schemas import RecordBody, RecordList, RecordResource
from millrace_patients.record.service import RecordService
from millrace_platform.audit.caller import InCaller
from millrace_platform.preconditions import IfMatch
from millrace_platform.responses import NO_STORE, etag_headers

F = TypeVar("F", bound=Callable[..., Any])


def record_routes(
    singular: str,
    *,
    records: Callable[[Patients], RecordService],
    body: type[RecordBody],
    resource: type[RecordResource],
    list_schema: type[RecordList[Any]],
) -> APIRouter:
    """Return the routes of one kind of record of a patient.

    `singular` names the kind, e.g. `insurance card`; the path, summaries and operation ids follow from it.
    """
    plural = f"{singular}s"
    one, path = singular.replace(" ", "_"), plural.replace(" ", "-")
    router = APIRouter(prefix=f"/v1/patients/{{patient_id}}/{path}", tags=[plural])

    def with_body_schema(endpoint: F) -> F:
        # FastAPI reads the body's schema from the annotation, which is not known statically.
        endpoint.__annotations__["body"] = body
        return endpoint

    def respond(record: Record, response: Response) -> RecordResource:
        response.headers.update(etag_headers(record.version))
        return resource.of(record)

    @router.get(
        "", name=f"list_{one}s", summary=f"List a patient's {plural}", responses=READ, response_model=list_schema
    )
    async def list_records(
        patients: InPatients, caller: InCaller, patient_id: UUID, response: Response
    ) -> RecordList[Any]:
        """Return a patient's records. Accessible to the patient and staff of practices the patient shares with."""
        response.headers.update(NO_STORE)
        found = await records(patients).list(caller, patient_id)
        return list_schema(items=[resource.of(record) for record in found])

    @router.post(
        "",
        name=f"create_{one}",
        summary=f"Create a patient's {singular}",
        status_code=201,
        responses=CREATE,
        response_model=resource,
    )
    @with_body_schema
    async def create_record(
        *,
        request: Request,
        patients: InPatients,
        caller: InCaller,
        patient_id: UUID,
        body: RecordBody,
        response: Response,
    ) -> RecordResource:
        """Create a record. Accessible to the patient only, who must have a profile."""
        created = await records(patients).create(caller, patient_id, body.content())
        response.headers["Location"] = f"{request.url.path}/{created.id}"
        return respond(created, response)

    @router.get(
        "/{record_id}",
        name=f"get_{one}",
        summary=f"Get a patient's {singular}",
        responses=READ,
        response_model=resource,
    )
    async def get_record(
        patients: InPatients, caller: InCaller, patient_id: UUID, record_id: UUID, response: Response
    ) -> RecordResource:
        """Return a record. Accessible to the patient and staff of practices the patient shares with."""
        return respond(await records(patients).get(caller, patient_id, record_id), response)

    @router.put(
        "/{record_id}",
        name=f"replace_{one}",
        summary=f"Replace a patient's {singular}",
        responses=CHANGE,
        response_model=resource,
    )
    @with_body_schema
    async def replace_record(
        *,
        patients: InPatients,
        caller: InCaller,
        patient_id: UUID,
        record_id: UUID,
        match: IfMatch,
        body: RecordBody,
        response: Response,
    ) -> RecordResource:
        """Replace a record. Accessible to the patient only."""
        return respond(await records(patients).replace(caller, patient_id, record_id, match, body.content()), response)

    @router.delete(
        "/{record_id}",
        name=f"delete_{one}",
        summary=f"Delete a patient's {singular}",
        status_code=204,
        responses=CHANGE,
    )
    async def delete_record(
        patients: InPatients, caller: InCaller, patient_id: UUID, record_id: UUID, match: IfMatch
    ) -> None:
        """Delete a record. Accessible to the patient only."""
        await records(patients).delete(caller, patient_id, record_id, match)

    return router
