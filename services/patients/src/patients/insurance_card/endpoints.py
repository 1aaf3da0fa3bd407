"""REST for insurance cards."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from millrace_platform.preconditions import IfMatch
from millrace_platform.responses import NO_STORE, tagged
from patients.access import InCaller
from patients.dependencies import InPatients
from patients.http import CHANGE, CREATE, READ
from patients.insurance_card.schemas import InsuranceCardBody, InsuranceCardList, InsuranceCardResource
from patients.record.model import Record

router = APIRouter(prefix="/v1/patients/{patient_id}/insurance-cards", tags=["insurance cards"])


@router.get("", summary="List a patient's insurance cards", responses=READ)
async def index(patients: InPatients, caller: InCaller, patient_id: UUID, response: Response) -> InsuranceCardList:
    """For the patient and staff of practices that the patient shares with."""
    response.headers.update(NO_STORE)
    found = await patients.insurance_cards.list(caller, patient_id)
    return InsuranceCardList(items=[InsuranceCardResource.of(record) for record in found])


@router.post("", summary="Add an insurance card", status_code=201, responses=CREATE)
async def create(
    *,
    request: Request,
    patients: InPatients,
    caller: InCaller,
    patient_id: UUID,
    body: InsuranceCardBody,
    response: Response,
) -> InsuranceCardResource:
    """For the patient, once there is a profile."""
    made = await patients.insurance_cards.create(caller, patient_id, body.content())
    response.headers["Location"] = f"{request.url.path}/{made.id}"
    return _shown(made, response)


@router.get("/{record_id}", summary="Get an insurance card", responses=READ)
async def get(
    patients: InPatients, caller: InCaller, patient_id: UUID, record_id: UUID, response: Response
) -> InsuranceCardResource:
    """For the patient and staff of practices that the patient shares with."""
    return _shown(await patients.insurance_cards.get(caller, patient_id, record_id), response)


@router.put("/{record_id}", summary="Replace an insurance card", responses=CHANGE)
async def replace(
    *,
    patients: InPatients,
    caller: InCaller,
    patient_id: UUID,
    record_id: UUID,
    match: IfMatch,
    body: InsuranceCardBody,
    response: Response,
) -> InsuranceCardResource:
    """For the patient."""
    changed = await patients.insurance_cards.replace(caller, patient_id, record_id, match, body.content())
    return _shown(changed, response)


@router.delete("/{record_id}", summary="Delete an insurance card", status_code=204, responses=CHANGE)
async def delete(patients: InPatients, caller: InCaller, patient_id: UUID, record_id: UUID, match: IfMatch) -> None:
    """For the patient."""
    await patients.insurance_cards.delete(caller, patient_id, record_id, match)


def _shown(record: Record, response: Response) -> InsuranceCardResource:
    response.headers.update(tagged(record.version))
    return InsuranceCardResource.of(record)
