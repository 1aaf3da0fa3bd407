"""REST endpoints of calendars, by provider-location."""

from uuid import UUID

from fastapi import APIRouter, Response

from millrace_platform.authentication import InPrincipal
from millrace_platform.openapi import problems
from millrace_platform.preconditions import IfMatch, IfNoneMatch, OptionalIfMatch
from millrace_platform.responses import etag_headers
from millrace_scheduling.calendar.model import VersionedCalendar
from millrace_scheduling.calendar.schemas import CalendarBody, CalendarResource
from millrace_scheduling.dependencies import InScheduling

router = APIRouter(prefix="/v1/calendars/{provider_location_id}", tags=["calendars"])


@router.get("", summary="Get a calendar", response_model=CalendarResource, responses=problems(401, 404, 422))
async def get_calendar(
    scheduling: InScheduling, caller: InPrincipal, provider_location_id: UUID, known: IfNoneMatch, response: Response
) -> CalendarResource | Response:
    """Return the calendar of a provider-location, for the staff of its practice."""
    calendar = await scheduling.calendars.get(caller, provider_location_id)
    if known.match_weakly(calendar.version):
        return Response(status_code=304, headers=etag_headers(calendar.version))
    return _resource(calendar, response)


@router.put(
    "",
    summary="Create or replace a calendar",
    responses={
        201: {"description": "The calendar was created.", "model": CalendarResource},
        **problems(401, 404, 412, 415, 422, 428),
    },
)
async def put_calendar(
    *,
    scheduling: InScheduling,
    caller: InPrincipal,
    provider_location_id: UUID,
    match: OptionalIfMatch,
    body: CalendarBody,
    response: Response,
) -> CalendarResource:
    """Create or replace the calendar of a provider-location, for the staff of its practice.

    `If-Match` is required to replace a calendar. The new times can be booked at once. Existing bookings stay as they
    are, even at times that the new calendar doesn't offer.
    """
    calendars = scheduling.calendars
    provider_location = await calendars.get_provider_location(caller, provider_location_id)
    calendar, is_new = await calendars.put(provider_location, match, body.to_model(provider_location.time_zone))
    response.status_code = 201 if is_new else 200
    return _resource(calendar, response)


@router.delete("", summary="Delete a calendar", status_code=204, responses=problems(401, 404, 412, 422, 428))
async def delete_calendar(
    scheduling: InScheduling, caller: InPrincipal, provider_location_id: UUID, match: IfMatch
) -> None:
    """Delete the calendar of a provider-location, for the staff of its practice. Existing bookings stay as they are."""
    calendars = scheduling.calendars
    await calendars.delete(await calendars.get_provider_location(caller, provider_location_id), match)


def _resource(calendar: VersionedCalendar, response: Response) -> CalendarResource:
    response.headers.update(etag_headers(calendar.version))
    return CalendarResource.of(calendar)
