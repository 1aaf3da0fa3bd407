"""REST for the waitlist."""

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from millrace_platform.authentication import Principal, Role, require
from millrace_platform.idempotency import InIdempotencyKey
from millrace_platform.openapi import problems
from millrace_platform.responses import NO_STORE
from millrace_scheduling.booking.dependencies import InBooking
from millrace_scheduling.waitlist.schemas import EntryList, EntryResource, JoinBody

router = APIRouter(prefix="/v1/waitlist", tags=["waitlist"])

InPatient: TypeAlias = Annotated[Principal, Depends(require(Role.PATIENT))]


@router.post(
    "",
    summary="Join the line for a place",
    status_code=201,
    response_model=EntryResource,
    responses=problems(400, 401, 403, 404, 409, 415, 422),
)
async def join(booking: InBooking, caller: InPatient, key: InIdempotencyKey, body: JoinBody) -> Response:
    """When time comes free, the first in line gets a hold of 15 minutes and a message; when it lapses, the next one."""
    return (await booking.waitlist.join(caller, key, body)).response()


@router.get("", summary="List one's places in line", responses=problems(401, 403))
async def list_(booking: InBooking, caller: InPatient, response: Response) -> EntryList:
    """With the time that is offered, where there is one."""
    response.headers.update(NO_STORE)
    return EntryList(items=[EntryResource.of(entry, offer) for entry, offer in await booking.waitlist.own(caller)])


@router.delete("/{entry_id}", summary="Leave a line", status_code=204, responses=problems(401, 403, 404, 422))
async def leave(booking: InBooking, caller: InPatient, entry_id: UUID) -> None:
    """What is offered goes to the next one."""
    await booking.waitlist.leave(caller, entry_id)
