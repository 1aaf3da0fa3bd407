"""REST endpoints of calendar feeds and of appointments in iCalendar format."""

from typing import Annotated, Any, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from millrace_platform.audit.caller import InCaller
from millrace_platform.authentication import InPrincipal
from millrace_platform.openapi import problems
from millrace_platform.pagination import Cursors, CursorText, Limit, next_link
from millrace_platform.patterns import Pattern
from millrace_platform.preconditions import IfModifiedSince, IfNoneMatch, etag, is_known, last_modified
from millrace_platform.responses import NO_STORE
from millrace_scheduling.appointment.endpoints import InAppointments
from millrace_scheduling.calendar_feed.document import MEDIA_TYPE
from millrace_scheduling.calendar_feed.schemas import (
    CalendarFeedBody,
    CalendarFeedList,
    CalendarFeedResource,
    NewCalendarFeed,
)
from millrace_scheduling.calendar_feed.service import CalendarFeedService, RenderedFeed

router = APIRouter(prefix="/v1/appointments", tags=["calendar feeds"])

_cursors = Cursors("calendar-feeds", UUID)
_ICALENDAR: dict[int | str, dict[str, Any]] = {200: {"content": {"text/calendar": {"schema": {"type": "string"}}}}}
InSecret = Annotated[
    str,
    Pattern(r"^[A-Za-z0-9_-]{43}$", "Use the whole address that was returned when the feed was created."),
    Path(description="The secret part of the address."),
]


async def _service(request: Request) -> CalendarFeedService:
    service: CalendarFeedService = request.app.state.booking.feeds
    return service


InCalendarFeeds: TypeAlias = Annotated[CalendarFeedService, Depends(_service)]


@router.post(
    "/feeds", summary="Create a calendar feed", status_code=201, responses=problems(401, 403, 404, 409, 415, 422)
)
async def create_calendar_feed(
    feeds: InCalendarFeeds, caller: InPrincipal, body: CalendarFeedBody, response: Response
) -> NewCalendarFeed:
    """Create a private address for calendar programs.

    The address is returned only once. Everyone who has it can read the appointments; those of a staff feed only
    while its creator has a role for them.
    """
    feed, secret = await feeds.create(caller, body.provider_location_id, body.npi)
    response.headers.update(NO_STORE)
    return NewCalendarFeed(feed=CalendarFeedResource.of(feed), path=f"/v1/appointments/feeds/{secret}.ics")


@router.get("/feeds", summary="List calendar feeds", responses=problems(401, 404, 422))
async def list_calendar_feeds(
    *,
    feeds: InCalendarFeeds,
    caller: InPrincipal,
    request: Request,
    response: Response,
    practice_id: Annotated[UUID | None, Query(description="A practice, for its staff and administrators.")] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> CalendarFeedList:
    """Return the calendar feeds that the caller created, or all staff feeds of a practice, without their addresses."""
    response.headers.update(NO_STORE)
    if practice_id is None:
        return CalendarFeedList(items=[CalendarFeedResource.of(feed) for feed in await feeds.list_own(caller)])
    filters = str(practice_id)
    after = None if cursor is None else _cursors.read(cursor, filters=filters)
    found = await feeds.list_of_practice(caller, practice_id, after, limit + 1)
    next_cursor = _cursors.write(found[limit - 1].id, filters=filters) if len(found) > limit else None
    if next_cursor is not None:
        response.headers["Link"] = next_link(request, next_cursor)
    return CalendarFeedList(items=[CalendarFeedResource.of(feed) for feed in found[:limit]], next=next_cursor)


@router.delete(
    "/feeds/{feed_id:uuid}", summary="Revoke a calendar feed", status_code=204, responses=problems(401, 404, 422)
)
async def revoke_calendar_feed(feeds: InCalendarFeeds, caller: InPrincipal, feed_id: UUID) -> None:
    """Delete a calendar feed of the caller, or a staff feed of the caller's practice. Its address then returns 404.

    Administrators may delete every staff feed.
    """
    await feeds.revoke(caller, feed_id)


@router.get(
    "/feeds/{secret}.ics",
    summary="Read a calendar feed",
    response_class=Response,
    responses={**_ICALENDAR, 304: {"description": "The client has this version."}, **problems(404, 422)},
)
async def read_calendar_feed(
    feeds: InCalendarFeeds, secret: InSecret, known: IfNoneMatch, known_since: IfModifiedSince
) -> Response:
    """Return the appointments of the last 30 days and all future ones, including cancelled ones, as iCalendar."""

    def is_current(feed: RenderedFeed) -> bool:
        return is_known(known, known_since, feed.digest, feed.modified_at)

    feed = await feeds.render(secret, is_current)
    headers = {
        "Cache-Control": "private, max-age=300",
        "ETag": etag(feed.digest),
        "Last-Modified": last_modified(feed.modified_at),
    }
    if is_current(feed):
        return Response(status_code=304, headers=headers)
    return Response(feed.content, media_type=MEDIA_TYPE, headers=headers)


@router.get(
    "/{appointment_id}/calendar.ics",
    summary="Get an appointment as iCalendar",
    response_class=Response,
    responses={**_ICALENDAR, **problems(401, 404, 422)},
)
async def get_appointment_calendar(
    appointments: InAppointments, feeds: InCalendarFeeds, caller: InCaller, appointment_id: UUID
) -> Response:
    """Return an appointment as iCalendar, for its patient and the staff of its practice."""
    appointment = await appointments.get(caller, appointment_id)
    headers = {**NO_STORE, "Content-Disposition": 'attachment; filename="appointment.ics"'}
    content = await feeds.render_appointment(caller.principal, appointment)
    return Response(content, media_type=MEDIA_TYPE, headers=headers)
