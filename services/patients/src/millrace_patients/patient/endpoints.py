"""REST API of patients. A patient's id is that of the account, `subject` in the response of a sign-in."""

from uuid import UUID

from fastapi import APIRouter, Response

from millrace_patients.dependencies import CHANGE, READ, InPatients, InSource, problems
from millrace_patients.patient.schemas import Export, ProfileBody, ProfileResource, TokenBody
from millrace_patients.record.model import Record
from millrace_platform.audit.caller import InCaller
from millrace_platform.audit.schemas import AccessLimit, AccessList, Before
from millrace_platform.preconditions import OptionalIfMatch
from millrace_platform.responses import NO_STORE, etag_headers

router = APIRouter(prefix="/v1/patients/{patient_id}", tags=["patients"])


@router.get("", summary="Get a patient's profile", responses=READ)
async def get_profile(patients: InPatients, caller: InCaller, patient_id: UUID, response: Response) -> ProfileResource:
    """Return the profile. Accessible to the patient, support, and staff of practices the patient shares with."""
    return _respond(await patients.patients.get(caller, patient_id), response)


@router.put("", summary="Create or replace a patient's profile", responses={201: {"description": "Created."}, **CHANGE})
async def put_profile(
    *,
    patients: InPatients,
    caller: InCaller,
    patient_id: UUID,
    match: OptionalIfMatch,
    body: ProfileBody,
    response: Response,
) -> ProfileResource:
    """Create or replace the profile; replacing requires `If-Match`. Accessible to the patient only."""
    record, is_first = await patients.patients.put(caller, patient_id, match, body.content())
    response.status_code = 201 if is_first else 200
    return _respond(record, response)


@router.delete("", summary="Erase all of a person's data", status_code=204, responses=READ)
async def erase_patient(patients: InPatients, caller: InCaller, patient_id: UUID) -> None:
    """Erase account, profile, dependants and insurance cards for good.

    Accessible to the patient only, within five minutes of a sign-in.
    """
    await patients.patients.erase(caller, patient_id)


@router.post(
    "/email-confirmation",
    summary="Request a confirmation of the profile's address",
    status_code=202,
    responses=problems(401, 404, 409, 422, 429),
)
async def request_email_confirmation(
    patients: InPatients, caller: InCaller, patient_id: UUID, source: InSource
) -> None:
    """Email a token to the profile's `email`. Accessible to the patient only."""
    await patients.addresses.request_confirmation(caller, patient_id, source)


@router.post(
    "/email-confirmation/confirm",
    summary="Confirm the profile's address",
    status_code=204,
    responses=problems(401, 404, 415, 422),
)
async def confirm_email(patients: InPatients, caller: InCaller, patient_id: UUID, body: TokenBody) -> None:
    """Send messages to the profile's `email` from now on, with the emailed token. Accessible to the patient only."""
    await patients.addresses.confirm(caller, patient_id, body.token.get_secret_value())


@router.get("/export", summary="Export all of a person's data", responses=READ)
async def export_patient(patients: InPatients, caller: InCaller, patient_id: UUID, response: Response) -> Export:
    """Return all data stored about the person. Accessible to the patient only."""
    response.headers.update({**NO_STORE, "Content-Disposition": f'attachment; filename="{patient_id}.json"'})
    return await patients.exporter.export(caller, patient_id)


@router.get("/accesses", summary="List accesses to a patient's data", responses=READ)
async def list_accesses(
    *,
    patients: InPatients,
    caller: InCaller,
    patient_id: UUID,
    response: Response,
    before: Before = None,
    limit: AccessLimit = 50,
) -> AccessList:
    """Return the accesses to the person's data here, and the sign-ins, newest first. Accessible to the patient only.

    `GET /v1/appointments/accesses` and `GET /v1/reviews/own/accesses` return those to visits and reviews.
    """
    response.headers.update(NO_STORE)
    links = await patients.patients.list_accesses(caller, patient_id, before, limit)
    return AccessList.of(links, limit)


def _respond(record: Record, response: Response) -> ProfileResource:
    response.headers.update(etag_headers(record.version))
    return ProfileResource.of(record)
