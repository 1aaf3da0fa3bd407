"""REST endpoints of the waitlist."""

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from millrace_platform.idempotency import InIdempotencyKey
from millrace_platform.openapi import problems
from millrace_platform.responses import NO_STORE
from millrace_scheduling.access import InPatient
from millrace_scheduling.waitlist.schemas import EntryList, EntryResource, JoinBody
from millrace_scheduling.waitlist.service import WaitlistService

router = APIRouter(prefix="/v1/waitlist", tags=["waitlist"])


async def _service(request: Request) -> WaitlistService:
    service: WaitlistService = request.app.state.booking.waitlist
    return service


InWaitlist: TypeAlias = Annotated[WaitlistService, Depends(_service)]


@router.post(
    "",
    summary="Join a waitlist",
    status_code=201,
    response_model=EntryResource,
    responses=problems(400, 401, 403, 404, 409, 415, 422),
)
async def join_waitlist(waitlist: InWaitlist, caller: InPatient, key: InIdempotencyKey, body: JoinBody) -> Response:
    """Wait for time at a provider-location; 409 with up to five `alternatives` while a matching time is free.

    When time becomes free, the first patient on the waitlist gets a hold of 15 minutes and an email. If the hold
    expires, the next patient gets one.
    """
    return (await waitlist.join(caller, key, body)).response()


@router.get("", summary="List the caller's waitlist entries", responses=problems(401, 403))
async def list_waitlist_entries(waitlist: InWaitlist, caller: InPatient, response: Response) -> EntryList:
    """Return the caller's entries, with the offered time if there is one."""
    response.headers.update(NO_STORE)
    return EntryList(items=[EntryResource.of_listed(each) for each in await waitlist.list_own(caller)])


@router.delete("/{entry_id}", summary="Leave a waitlist", status_code=204, responses=problems(401, 403, 404, 422))
async def leave_waitlist(waitlist: InWaitlist, caller: InPatient, entry_id: UUID) -> None:
    """Remove an entry. Its offered time, if any, is offered to the next patient on the waitlist."""
    await waitlist.leave(caller, entry_id)
