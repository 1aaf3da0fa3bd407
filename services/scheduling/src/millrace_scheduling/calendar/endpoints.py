"""REST for calendars, by provider-location."""

from uuid import UUID

from fastapi import APIRouter, Response

from millrace_platform.authentication import InPrincipal
from millrace_platform.openapi import problems
from millrace_platform.preconditions import IfMatch, IfNoneMatch, OptionalIfMatch
from millrace_platform.responses import tagged
from millrace_scheduling.calendar.model import Written
from millrace_scheduling.calendar.schemas import CalendarBody, CalendarResource
from millrace_scheduling.dependencies import InScheduling

router = APIRouter(prefix="/v1/calendars/{provider_location_id}", tags=["calendars"])


@router.get("", summary="Get a calendar", response_model=CalendarResource, responses=problems(401, 404, 422))
async def get(
    scheduling: InScheduling, caller: InPrincipal, provider_location_id: UUID, known: IfNoneMatch, response: Response
) -> CalendarResource | Response:
    """For staff of the place's practice."""
    written = await scheduling.parts.calendars.get(caller, provider_location_id)
    if known.match_weakly(written.version):
        return Response(status_code=304, headers=tagged(written.version))
    return _shown(written, response)


@router.put(
    "",
    summary="Make or replace a calendar",
    responses={
        201: {"description": "It is the first.", "model": CalendarResource},
        **problems(401, 404, 412, 415, 422, 428),
    },
)
async def put(
    *,
    scheduling: InScheduling,
    caller: InPrincipal,
    provider_location_id: UUID,
    match: OptionalIfMatch,
    body: CalendarBody,
    response: Response,
) -> CalendarResource:
    """For staff of the place's practice. The first calendar needs no `If-Match`; every later one does.

    Its times are open at once. What is booked stays as it is, also where the new calendar wouldn't offer it.
    """
    calendars = scheduling.parts.calendars
    place = await calendars.place(caller, provider_location_id)
    written, made = await calendars.put(place, match, body.content(place.time_zone))
    response.status_code = 201 if made else 200
    return _shown(written, response)


@router.delete("", summary="Delete a calendar", status_code=204, responses=problems(401, 404, 412, 422, 428))
async def delete(scheduling: InScheduling, caller: InPrincipal, provider_location_id: UUID, match: IfMatch) -> None:
    """For staff of the place's practice. Nothing can be booked any more; what is booked stays."""
    calendars = scheduling.parts.calendars
    await calendars.delete(await calendars.place(caller, provider_location_id), match)


def _shown(written: Written, response: Response) -> CalendarResource:
    response.headers.update(tagged(written.version))
    return CalendarResource.of(written)
