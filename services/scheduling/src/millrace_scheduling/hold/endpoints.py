"""REST endpoints of holds."""

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from millrace_platform.idempotency import InIdempotencyKey
from millrace_platform.openapi import problems
from millrace_platform.responses import NO_STORE
from millrace_platform.routing import TypedRouter
from millrace_scheduling.access import InPatient
from millrace_scheduling.client_address import InAddressHash
from millrace_scheduling.hold.schemas import HoldBody, HoldList, HoldResource
from millrace_scheduling.hold.service import HoldService

router = APIRouter(prefix="/v1/holds", tags=["holds"])
direct = TypedRouter(prefix="/v1/holds", tags=["holds"])


async def _service(request: Request) -> HoldService:
    service: HoldService = request.app.state.booking.holds
    return service


InHolds: TypeAlias = Annotated[HoldService, Depends(_service)]


@direct.post(
    "",
    summary="Hold a time",
    status_code=201,
    response_model=HoldResource,
    responses={
        200: {"model": HoldResource, "description": "The caller's own hold of this visit."},
        **problems(400, 401, 403, 404, 409, 415, 422, 429, 503),
    },
)
async def create_hold(
    holds: InHolds, caller: InPatient, key: InIdempotencyKey, address_hash: InAddressHash, body: HoldBody
) -> Response:
    """Reserve a time for five minutes. If it isn't free, the response is 409 with the nearest `alternatives`.

    If the caller holds the time for the same visit already, that hold is returned. A person has one visit at a time.
    """
    return (await holds.create(caller, key, body.visit_request(), body.dependant_id, address_hash)).response()


@router.get("", summary="List holds", responses=problems(401, 403))
async def list_holds(holds: InHolds, caller: InPatient, response: Response) -> HoldList:
    """Return the caller's active holds, ordered by start, those of waitlist offers included."""
    response.headers.update(NO_STORE)
    return HoldList(items=[HoldResource.of(each) for each in await holds.list_own(caller)])


@router.get("/{hold_id}", summary="Get a hold", responses=problems(401, 403, 404, 422))
async def get_hold(holds: InHolds, caller: InPatient, hold_id: UUID, response: Response) -> HoldResource:
    """Return one of the caller's holds; 404 once it has expired."""
    response.headers.update(NO_STORE)
    return HoldResource.of(await holds.get(caller, hold_id))


@router.post(
    "/{hold_id}/extend",
    summary="Extend a hold",
    response_model=HoldResource,
    responses=problems(400, 401, 403, 404, 409, 422),
)
async def extend_hold(holds: InHolds, caller: InPatient, key: InIdempotencyKey, hold_id: UUID) -> Response:
    """Extend a hold to five minutes from now. Each hold can be extended once."""
    return (await holds.extend(caller, key, hold_id)).response()


@router.delete("/{hold_id}", summary="Release a hold", status_code=204, responses=problems(401, 403, 404, 409, 422))
async def release_hold(holds: InHolds, caller: InPatient, hold_id: UUID) -> None:
    """Release the time, so that others can book it at once."""
    await holds.release(caller, hold_id)
