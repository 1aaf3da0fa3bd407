"""REST endpoints of appointments."""

from datetime import UTC, datetime
from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from millrace_platform.audit.caller import InCaller
from millrace_platform.audit.schemas import AccessLimit, AccessList, Before
from millrace_platform.authentication import InPrincipal
from millrace_platform.errors import FieldError, Unprocessable
from millrace_platform.idempotency import InIdempotencyKey
from millrace_platform.openapi import problems
from millrace_platform.pagination import Cursors, CursorText, Limit, next_link
from millrace_platform.preconditions import IfNoneMatch, OptionalIfMatch, etag
from millrace_platform.resources import Moment
from millrace_platform.responses import NO_STORE
from millrace_platform.routing import TypedRouter
from millrace_scheduling.access import InPatient, InStaff
from millrace_scheduling.appointment.model import Action
from millrace_scheduling.appointment.repository import Position, position_before
from millrace_scheduling.appointment.rescheduling import ReschedulingService
from millrace_scheduling.appointment.schemas import AppointmentPage, AppointmentResource, BookBody, CancelBody, MoveBody
from millrace_scheduling.appointment.service import AppointmentService

router = APIRouter(prefix="/v1/appointments", tags=["appointments"])
direct = TypedRouter(prefix="/v1/appointments", tags=["appointments"])

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
END = datetime(2200, 1, 1, tzinfo=UTC)
_cursors = Cursors("appointments", tuple[datetime, UUID])

_CHANGE = problems(400, 401, 404, 409, 412, 422)
_CHANGE_WITH_BODY = problems(400, 401, 404, 409, 412, 415, 422)
_REPORT = problems(400, 401, 403, 404, 409, 412, 422)


async def _service(request: Request) -> AppointmentService:
    service: AppointmentService = request.app.state.booking.appointments
    return service


async def _rescheduling(request: Request) -> ReschedulingService:
    service: ReschedulingService = request.app.state.booking.rescheduling
    return service


InAppointments: TypeAlias = Annotated[AppointmentService, Depends(_service)]
InRescheduling: TypeAlias = Annotated[ReschedulingService, Depends(_rescheduling)]


@direct.post(
    "",
    summary="Book a hold",
    status_code=201,
    response_model=AppointmentResource,
    responses=problems(400, 401, 403, 404, 409, 415, 422, 429, 503),
)
async def create_appointment(
    appointments: InAppointments, caller: InPatient, key: InIdempotencyKey, body: BookBody
) -> Response:
    """Turn a hold into an appointment, which has the id of its hold.

    The profile must have a name, a birth date, and a phone unless the account's email address is verified; else the
    response is 409 and names what is missing. The staff of the practice may then read the name, the birth date, the
    contact and the insurance card of the visit.
    """
    return (await appointments.book(caller, key, body.hold_id, body.insurance_card_id)).response()


@router.get("", summary="List appointments", responses=problems(401, 404, 422))
async def list_appointments(
    *,
    request: Request,
    response: Response,
    appointments: InAppointments,
    caller: InCaller,
    provider_location: Annotated[
        UUID | None, Query(description="Return its appointments, for its staff; without it, the caller's own.")
    ] = None,
    from_: Annotated[Moment, Query(alias="from", description="Return those that start then or later.")] = BEGINNING,
    to: Annotated[Moment, Query(description="Return those that start before; later than `from`.")] = END,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> AppointmentPage:
    """Return appointments, ordered by start."""
    _require_order(from_, to)
    filters = [str(provider_location), from_.isoformat(), to.isoformat()]
    after: Position = position_before(from_) if cursor is None else _cursors.read(cursor, filters=filters)
    if provider_location is None:
        page = await appointments.list_own(caller.principal, after, to, limit)
    else:
        page = await appointments.list_at_provider_location(caller, provider_location, after, to, limit)
    following = None if page.following is None else _cursors.write(page.following, filters=filters)
    if following is not None:
        response.headers["Link"] = next_link(request, following)
    response.headers.update(NO_STORE)
    return AppointmentPage(items=[AppointmentResource.of(each) for each in page.items], next=following)


@router.get("/accesses", summary="List others' accesses to the caller's appointments", responses=problems(401, 422))
async def list_appointment_accesses(
    appointments: InAppointments,
    caller: InPrincipal,
    response: Response,
    before: Before = None,
    limit: AccessLimit = 50,
) -> AccessList:
    """Return who else read or changed the caller's appointments, and when, newest first."""
    response.headers.update(NO_STORE)
    return AccessList.of(await appointments.list_accesses(caller, before, limit), limit)


@router.get(
    "/{appointment_id}",
    summary="Get an appointment",
    response_model=AppointmentResource,
    responses={304: {"description": "It has a version that `If-None-Match` names."}, **problems(401, 404, 422)},
)
async def get_appointment(
    appointments: InAppointments, caller: InCaller, appointment_id: UUID, known: IfNoneMatch, response: Response
) -> AppointmentResource | Response:
    """Return an appointment, for its patient and the staff of its practice."""
    found = await appointments.get(caller, appointment_id)
    headers = {**NO_STORE, "ETag": etag(found.version)}
    if known.match_weakly(found.version):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return AppointmentResource.of(found)


@router.post(
    "/{appointment_id}/confirm", summary="Confirm an appointment", response_model=AppointmentResource, responses=_CHANGE
)
async def confirm_appointment(
    appointments: InAppointments,
    caller: InCaller,
    key: InIdempotencyKey,
    appointment_id: UUID,
    match: OptionalIfMatch,
) -> Response:
    """Confirm, as the patient or as the practice, that the visit will take place."""
    return (await appointments.confirm(caller, key, appointment_id, match)).response()


@router.post(
    "/{appointment_id}/cancel",
    summary="Cancel an appointment",
    response_model=AppointmentResource,
    responses=_CHANGE_WITH_BODY,
)
async def cancel_appointment(
    *,
    appointments: InAppointments,
    caller: InCaller,
    key: InIdempotencyKey,
    appointment_id: UUID,
    match: OptionalIfMatch,
    body: CancelBody,
) -> Response:
    """Cancel an appointment: as its patient until the practice's deadline, as the practice until the arrival."""
    return (await appointments.cancel(caller, key, appointment_id, match, body.reason)).response()


@router.post(
    "/{appointment_id}/reschedule",
    summary="Move an appointment to another time",
    response_model=AppointmentResource,
    responses=_CHANGE_WITH_BODY,
)
async def reschedule_appointment(
    *,
    rescheduling: InRescheduling,
    caller: InCaller,
    key: InIdempotencyKey,
    appointment_id: UUID,
    match: OptionalIfMatch,
    body: MoveBody,
) -> Response:
    """Move an appointment to another time at the same provider-location. The new time has to be confirmed again."""
    if body.start is not None:
        return (await rescheduling.move_to_start(caller, key, appointment_id, match, body.start)).response()
    assert body.hold_id is not None  # noqa: S101 # the body has one of the two
    return (await rescheduling.move_to_hold(caller, key, appointment_id, match, body.hold_id)).response()


@router.post(
    "/{appointment_id}/arrived",
    summary="Record the patient's arrival",
    response_model=AppointmentResource,
    responses=_REPORT,
)
async def mark_appointment_arrived(
    appointments: InAppointments,
    caller: InStaff,
    key: InIdempotencyKey,
    appointment_id: UUID,
    match: OptionalIfMatch,
) -> Response:
    """Record, as the practice, that the patient arrived. Possible from two hours before the visit's start on."""
    return (await appointments.report(caller, key, appointment_id, match, Action.ARRIVE)).response()


@router.post(
    "/{appointment_id}/completed",
    summary="Record the end of the visit",
    response_model=AppointmentResource,
    responses=_REPORT,
)
async def mark_appointment_completed(
    appointments: InAppointments,
    caller: InStaff,
    key: InIdempotencyKey,
    appointment_id: UUID,
    match: OptionalIfMatch,
) -> Response:
    """Record, as the practice, that the visit of an arrived patient is over. The patient can then review it.

    Possible from the visit's start on.
    """
    return (await appointments.report(caller, key, appointment_id, match, Action.COMPLETE)).response()


@router.post(
    "/{appointment_id}/no_show", summary="Record a no-show", response_model=AppointmentResource, responses=_REPORT
)
async def mark_appointment_no_show(
    appointments: InAppointments,
    caller: InStaff,
    key: InIdempotencyKey,
    appointment_id: UUID,
    match: OptionalIfMatch,
) -> Response:
    """Record, as the practice, that the patient didn't come. Possible from the visit's start on."""
    return (await appointments.report(caller, key, appointment_id, match, Action.MISS)).response()


def _require_order(first: datetime, end: datetime) -> None:
    if end <= first:
        detail, remedy = "The range ends before it begins.", "Give a time after `from`."
        raise Unprocessable(errors=[FieldError(field="to", detail=detail, remedy=remedy)])
