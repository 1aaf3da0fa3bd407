"""REST for dependants."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from millrace_platform.preconditions import IfMatch
from millrace_platform.responses import NO_STORE, tagged
from patients.access import InCaller
from patients.dependant.schemas import DependantBody, DependantList, DependantResource
from patients.dependencies import InPatients
from patients.http import CHANGE, CREATE, READ
from patients.record.model import Record

router = APIRouter(prefix="/v1/patients/{patient_id}/dependants", tags=["dependants"])


@router.get("", summary="List a patient's dependants", responses=READ)
async def index(patients: InPatients, caller: InCaller, patient_id: UUID, response: Response) -> DependantList:
    """For the patient and staff of practices that the patient shares with."""
    response.headers.update(NO_STORE)
    found = await patients.dependants.list(caller, patient_id)
    return DependantList(items=[DependantResource.of(record) for record in found])


@router.post("", summary="Add a dependant", status_code=201, responses=CREATE)
async def create(
    *,
    request: Request,
    patients: InPatients,
    caller: InCaller,
    patient_id: UUID,
    body: DependantBody,
    response: Response,
) -> DependantResource:
    """For the patient, once there is a profile."""
    made = await patients.dependants.create(caller, patient_id, body.content())
    response.headers["Location"] = f"{request.url.path}/{made.id}"
    return _shown(made, response)


@router.get("/{record_id}", summary="Get a dependant", responses=READ)
async def get(
    patients: InPatients, caller: InCaller, patient_id: UUID, record_id: UUID, response: Response
) -> DependantResource:
    """For the patient and staff of practices that the patient shares with."""
    return _shown(await patients.dependants.get(caller, patient_id, record_id), response)


@router.put("/{record_id}", summary="Replace a dependant", responses=CHANGE)
async def replace(
    *,
    patients: InPatients,
    caller: InCaller,
    patient_id: UUID,
    record_id: UUID,
    match: IfMatch,
    body: DependantBody,
    response: Response,
) -> DependantResource:
    """For the patient."""
    changed = await patients.dependants.replace(caller, patient_id, record_id, match, body.content())
    return _shown(changed, response)


@router.delete("/{record_id}", summary="Delete a dependant", status_code=204, responses=CHANGE)
async def delete(patients: InPatients, caller: InCaller, patient_id: UUID, record_id: UUID, match: IfMatch) -> None:
    """For the patient."""
    await patients.dependants.delete(caller, patient_id, record_id, match)


def _shown(record: Record, response: Response) -> DependantResource:
    response.headers.update(tagged(record.version))
    return DependantResource.of(record)
