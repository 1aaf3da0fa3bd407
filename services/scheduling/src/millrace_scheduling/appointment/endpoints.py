"""REST for appointments."""

from datetime import UTC, datetime
from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from millrace_platform.authentication import InPrincipal, Principal, Role, require
from millrace_platform.idempotency import InIdempotencyKey
from millrace_platform.openapi import problems
from millrace_platform.pagination import Cursors, CursorText, Limit, next_link
from millrace_platform.preconditions import IfNoneMatch, OptionalIfMatch, etag
from millrace_platform.responses import NO_STORE
from millrace_platform.routing import TypedRouter
from millrace_scheduling.appointment.model import Action
from millrace_scheduling.appointment.repository import Position, positions_before
from millrace_scheduling.appointment.schemas import AppointmentPage, AppointmentResource, BookBody, CancelBody, MoveBody
from millrace_scheduling.booking.dependencies import InBooking
from millrace_scheduling.hold.schemas import Start

router = APIRouter(prefix="/v1/appointments", tags=["appointments"])
direct = TypedRouter(prefix="/v1/appointments", tags=["appointments"])

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
END = datetime(2200, 1, 1, tzinfo=UTC)
_cursors = Cursors("appointments", tuple[datetime, UUID])

InPatient: TypeAlias = Annotated[Principal, Depends(require(Role.PATIENT))]
InStaff: TypeAlias = Annotated[Principal, Depends(require(Role.STAFF, Role.ADMIN))]

_CHANGE = problems(400, 401, 404, 409, 412, 422)
_CHANGE_WITH_BODY = problems(400, 401, 404, 409, 412, 415, 422)
_REPORT = problems(400, 401, 403, 404, 409, 412, 422)


@direct.post(
    "",
    summary="Book a hold",
    status_code=201,
    response_model=AppointmentResource,
    responses=problems(400, 401, 403, 404, 409, 415, 422),
)
async def book(booking: InBooking, caller: InPatient, key: InIdempotencyKey, body: BookBody) -> Response:
    """The appointment has the id of its hold."""
    return (await booking.appointments.book(caller, key, body.hold_id)).response()


@router.get("", summary="List appointments", responses=problems(401, 404, 422))
async def list_(
    *,
    request: Request,
    response: Response,
    booking: InBooking,
    caller: InPrincipal,
    provider_location: Annotated[UUID | None, Query(description="For its staff; without it, the caller's own.")] = None,
    from_: Annotated[Start, Query(alias="from", description="Those that start then or later.")] = BEGINNING,
    to: Annotated[Start, Query(description="Those that start before; of a place only.")] = END,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> AppointmentPage:
    """In the order of time."""
    filters = [str(provider_location), from_.isoformat(), to.isoformat()]
    after: Position = positions_before(from_) if cursor is None else _cursors.read(cursor, filters=filters)
    service = booking.appointments
    if provider_location is None:
        found = await service.own(caller, after, limit + 1)
    else:
        found = await service.at_place(caller, provider_location, after, to, limit + 1)
    page, following = found[:limit], None
    if len(found) > limit:
        following = _cursors.write((page[-1].visit.start, page[-1].id), filters=filters)
        response.headers["Link"] = next_link(request, following)
    response.headers.update(NO_STORE)
    return AppointmentPage(items=[AppointmentResource.of(each) for each in page], next=following)


@router.get(
    "/{appointment_id}",
    summary="Get an appointment",
    response_model=AppointmentResource,
    responses={304: {"description": "It has a version that `If-None-Match` names."}, **problems(401, 404, 422)},
)
async def get(
    booking: InBooking, caller: InPrincipal, appointment_id: UUID, known: IfNoneMatch, response: Response
) -> AppointmentResource | Response:
    """For its patient, and the staff of its practice."""
    found = await booking.appointments.get(caller, appointment_id)
    headers = {**NO_STORE, "ETag": etag(found.version)}
    if known.match_weakly(found.version):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return AppointmentResource.of(found)


@router.post("/{appointment_id}/confirm", summary="Confirm", response_model=AppointmentResource, responses=_CHANGE)
async def confirm(
    booking: InBooking, caller: InPrincipal, key: InIdempotencyKey, appointment_id: UUID, match: OptionalIfMatch
) -> Response:
    """The visit will take place: by the patient or the practice."""
    return (await booking.appointments.confirm(caller, key, appointment_id, match)).response()


@router.post(
    "/{appointment_id}/cancel", summary="Cancel", response_model=AppointmentResource, responses=_CHANGE_WITH_BODY
)
async def cancel(
    *,
    booking: InBooking,
    caller: InPrincipal,
    key: InIdempotencyKey,
    appointment_id: UUID,
    match: OptionalIfMatch,
    body: CancelBody,
) -> Response:
    """By the patient until the practice's deadline, by the practice while the appointment stands."""
    return (await booking.appointments.cancel(caller, key, appointment_id, match, body.reason)).response()


@router.post(
    "/{appointment_id}/reschedule",
    summary="Move to another time",
    response_model=AppointmentResource,
    responses=_CHANGE_WITH_BODY,
)
async def reschedule(
    *,
    booking: InBooking,
    caller: InPrincipal,
    key: InIdempotencyKey,
    appointment_id: UUID,
    match: OptionalIfMatch,
    body: MoveBody,
) -> Response:
    """At the same place. The old time is free exactly when the new one is taken; it is to be confirmed again."""
    if body.start is not None:
        return (await booking.moving.to_start(caller, key, appointment_id, match, body.start)).response()
    assert body.hold_id is not None  # noqa: S101 # the body has one of the two
    return (await booking.moving.to_hold(caller, key, appointment_id, match, body.hold_id)).response()


@router.post(
    "/{appointment_id}/arrived",
    summary="Say that the patient came",
    response_model=AppointmentResource,
    responses=_REPORT,
)
async def arrived(
    booking: InBooking, caller: InStaff, key: InIdempotencyKey, appointment_id: UUID, match: OptionalIfMatch
) -> Response:
    """For the practice."""
    return (await booking.appointments.report(caller, key, appointment_id, match, Action.ARRIVE)).response()


@router.post(
    "/{appointment_id}/completed",
    summary="Say that the visit is over",
    response_model=AppointmentResource,
    responses=_REPORT,
)
async def completed(
    booking: InBooking, caller: InStaff, key: InIdempotencyKey, appointment_id: UUID, match: OptionalIfMatch
) -> Response:
    """For the practice, once the patient arrived. The patient may review the visit then."""
    return (await booking.appointments.report(caller, key, appointment_id, match, Action.COMPLETE)).response()


@router.post(
    "/{appointment_id}/no_show", summary="Say that nobody came", response_model=AppointmentResource, responses=_REPORT
)
async def no_show(
    booking: InBooking, caller: InStaff, key: InIdempotencyKey, appointment_id: UUID, match: OptionalIfMatch
) -> Response:
    """For the practice, after the visit's start."""
    return (await booking.appointments.report(caller, key, appointment_id, match, Action.MISS)).response()
