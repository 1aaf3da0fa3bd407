"""REST for calendar documents and feeds."""

from typing import Annotated, Any, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response

from millrace_platform.authentication import InPrincipal
from millrace_platform.openapi import problems
from millrace_platform.responses import NO_STORE
from millrace_scheduling.appointment.endpoints import InAppointments
from millrace_scheduling.ics.document import MEDIA_TYPE, document
from millrace_scheduling.ics.schemas import FeedBody, FeedList, FeedResource, NewFeed
from millrace_scheduling.ics.service import FeedService

router = APIRouter(prefix="/v1/appointments", tags=["calendar feeds"])

_CALENDAR: dict[int | str, dict[str, Any]] = {200: {"content": {"text/calendar": {"schema": {"type": "string"}}}}}
InSecret = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{43}$", description="What makes the address private.")]


async def _service(request: Request) -> FeedService:
    service: FeedService = request.app.state.booking.feeds
    return service


InFeeds: TypeAlias = Annotated[FeedService, Depends(_service)]


@router.post(
    "/feeds", summary="Make a calendar feed", status_code=201, responses=problems(401, 403, 404, 409, 415, 422)
)
async def make(feeds: InFeeds, caller: InPrincipal, body: FeedBody, response: Response) -> NewFeed:
    """A private address for calendar programs. It is shown this once; whoever has it sees the appointments."""
    feed, secret = await feeds.make(caller, body.provider_location_id, body.npi)
    response.headers.update(NO_STORE)
    return NewFeed(feed=FeedResource.of(feed), path=f"/v1/appointments/feeds/{secret}.ics")


@router.get("/feeds", summary="List one's calendar feeds", responses=problems(401))
async def list_(feeds: InFeeds, caller: InPrincipal, response: Response) -> FeedList:
    """Those that the caller made, without their addresses."""
    response.headers.update(NO_STORE)
    return FeedList(items=[FeedResource.of(feed) for feed in await feeds.own(caller)])


@router.delete(
    "/feeds/{feed_id:uuid}", summary="Revoke a calendar feed", status_code=204, responses=problems(401, 404, 422)
)
async def revoke(feeds: InFeeds, caller: InPrincipal, feed_id: UUID) -> None:
    """Its address shows nothing any more."""
    await feeds.revoke(caller, feed_id)


@router.get(
    "/feeds/{secret}.ics",
    summary="Read a calendar feed",
    response_class=Response,
    responses={**_CALENDAR, **problems(404, 422)},
)
async def read(feeds: InFeeds, secret: InSecret) -> Response:
    """Appointments of the last 30 days and all to come, as iCalendar; cancelled ones as such."""
    headers = {"Cache-Control": "private, max-age=300"}
    return Response(await feeds.read(secret), media_type=MEDIA_TYPE, headers=headers)


@router.get(
    "/{appointment_id}/calendar.ics",
    summary="Get an appointment as iCalendar",
    response_class=Response,
    responses={**_CALENDAR, **problems(401, 404, 422)},
)
async def one(appointments: InAppointments, caller: InPrincipal, appointment_id: UUID) -> Response:
    """For its patient, and the staff of its practice."""
    found = await appointments.get(caller, appointment_id)
    headers = {**NO_STORE, "Content-Disposition": 'attachment; filename="appointment.ics"'}
    return Response(document([found]), media_type=MEDIA_TYPE, headers=headers)
