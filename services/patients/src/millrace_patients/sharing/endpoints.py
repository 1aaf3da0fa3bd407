"""REST API of shares."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field

from millrace_patients.dependencies import InPatients, problems
from millrace_patients.sharing.model import Scope
from millrace_platform.audit.caller import InCaller
from millrace_platform.resources import Schema
from millrace_platform.responses import NO_STORE

router = APIRouter(prefix="/v1/patients/{patient_id}/practices", tags=["shares"])


class ShareResource(Schema):
    """Practice whose staff may read the patient's data."""

    practice_id: UUID
    scope: Scope = Field(
        description="`all`: the profile, dependants and insurance cards. `visits`: what the visits booked there need."
    )
    since: datetime


class ShareList(Schema):
    """All practices the patient shares with."""

    items: list[ShareResource]


@router.get("", summary="List the practices a patient shares with", responses=problems(401, 404, 422))
async def list_shares(patients: InPatients, caller: InCaller, patient_id: UUID, response: Response) -> ShareList:
    """Return the practices the patient shares with. Accessible to the patient only."""
    response.headers.update(NO_STORE)
    found = await patients.sharing.list(caller, patient_id)
    return ShareList(
        items=[ShareResource(practice_id=each.practice_id, scope=each.scope, since=each.shared_at) for each in found]
    )


@router.put(
    "/{practice_id}", summary="Share with a practice", status_code=204, responses=problems(401, 404, 409, 422, 503)
)
async def add_share(patients: InPatients, caller: InCaller, patient_id: UUID, practice_id: UUID) -> None:
    """Give a practice's staff access to all of the patient's data, idempotently.

    A booking gives the staff of its practice access to what the visit needs; this extends it.

    Accessible to the patient only, who must have a profile.
    """
    await patients.sharing.add(caller, patient_id, practice_id)


@router.delete(
    "/{practice_id}", summary="Stop sharing with a practice", status_code=204, responses=problems(401, 404, 422)
)
async def remove_share(patients: InPatients, caller: InCaller, patient_id: UUID, practice_id: UUID) -> None:
    """End the access of a practice's staff at once. Accessible to the patient only."""
    await patients.sharing.remove(caller, patient_id, practice_id)
