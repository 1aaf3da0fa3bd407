"""REST for patients. A patient's id is that of the account: `subject` of a sign-in."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from millrace_patients.access import InCaller
from millrace_patients.dependencies import InPatients
from millrace_patients.http import CHANGE, READ
from millrace_patients.patient.schemas import AccessList, AccessResource, Export, ProfileBody, ProfileResource
from millrace_patients.record.model import Record
from millrace_platform.preconditions import OptionalIfMatch
from millrace_platform.responses import NO_STORE, tagged

router = APIRouter(prefix="/v1/patients/{patient_id}", tags=["patients"])


@router.get("", summary="Get a patient's profile", responses=READ)
async def get(patients: InPatients, caller: InCaller, patient_id: UUID, response: Response) -> ProfileResource:
    """For the patient, staff of practices that the patient shares with, and support."""
    return _shown(await patients.patients.get(caller, patient_id), response)


@router.put(
    "", summary="Make or replace a patient's profile", responses={201: {"description": "It is the first."}, **CHANGE}
)
async def put(
    *,
    patients: InPatients,
    caller: InCaller,
    patient_id: UUID,
    match: OptionalIfMatch,
    body: ProfileBody,
    response: Response,
) -> ProfileResource:
    """For the patient. The first profile needs no `If-Match`; every later one does."""
    record, is_first = await patients.patients.put(caller, patient_id, match, body.content())
    response.status_code = 201 if is_first else 200
    return _shown(record, response)


@router.delete("", summary="Erase all of a person's data", status_code=204, responses=READ)
async def erase(patients: InPatients, caller: InCaller, patient_id: UUID) -> None:
    """For the person, within five minutes of a sign-in. Account, profile, dependants and cards can't be had back."""
    await patients.patients.erase(caller, patient_id)


@router.get("/export", summary="Export all of a person's data", responses=READ)
async def export(patients: InPatients, caller: InCaller, patient_id: UUID, response: Response) -> Export:
    """For the person."""
    response.headers.update({**NO_STORE, "Content-Disposition": f'attachment; filename="{patient_id}.json"'})
    return await patients.exporter.export(caller, patient_id)


@router.get("/accesses", summary="List who read or wrote a person's data", responses=READ)
async def accesses(
    *,
    patients: InPatients,
    caller: InCaller,
    patient_id: UUID,
    response: Response,
    before: Annotated[int | None, Query(ge=1, le=2**62, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> AccessList:
    """For the person; newest first."""
    response.headers.update(NO_STORE)
    links = await patients.patients.accesses(caller, patient_id, before, limit)
    following = links[-1].seq if len(links) == limit else None
    return AccessList(items=[AccessResource.of(link) for link in links], next=following)


def _shown(record: Record, response: Response) -> ProfileResource:
    response.headers.update(tagged(record.version))
    return ProfileResource.of(record)
