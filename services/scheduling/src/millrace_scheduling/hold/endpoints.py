"""REST for holds."""

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from millrace_platform.authentication import Principal, Role, require
from millrace_platform.idempotency import InIdempotencyKey
from millrace_platform.openapi import problems
from millrace_platform.responses import NO_STORE
from millrace_platform.routing import DirectRoute
from millrace_scheduling.booking.dependencies import InBooking
from millrace_scheduling.booking.source import InAddress
from millrace_scheduling.hold.schemas import HoldBody, HoldResource

router = APIRouter(prefix="/v1/holds", tags=["holds"])
direct = APIRouter(prefix="/v1/holds", tags=["holds"], route_class=DirectRoute)

InPatient: TypeAlias = Annotated[Principal, Depends(require(Role.PATIENT))]


@direct.post(
    "",
    summary="Hold a time",
    status_code=201,
    response_model=HoldResource,
    responses=problems(400, 401, 403, 404, 409, 415, 422, 429),
)
async def hold(
    booking: InBooking, caller: InPatient, key: InIdempotencyKey, address: InAddress, body: HoldBody
) -> Response:
    """Keeps the time free for five minutes. A time that is gone is a 409 with the nearest `alternatives`."""
    answer = await booking.holds.hold(caller, key, body.asked(), body.dependant_id, address)
    return answer.response()


@router.get("/{hold_id}", summary="Get a hold", responses=problems(401, 403, 404, 422))
async def get(booking: InBooking, caller: InPatient, hold_id: UUID, response: Response) -> HoldResource:
    """While it runs; for the patient who has it."""
    response.headers.update(NO_STORE)
    return HoldResource.of(await booking.holds.get(caller, hold_id))


@router.post(
    "/{hold_id}/extend",
    summary="Extend a hold",
    response_model=HoldResource,
    responses=problems(400, 401, 403, 404, 409, 422),
)
async def extend(booking: InBooking, caller: InPatient, key: InIdempotencyKey, hold_id: UUID) -> Response:
    """Once, for five minutes from now."""
    return (await booking.holds.extend(caller, key, hold_id)).response()


@router.delete("/{hold_id}", summary="Give a hold up", status_code=204, responses=problems(401, 403, 404, 409, 422))
async def release(booking: InBooking, caller: InPatient, hold_id: UUID) -> None:
    """The time is free again at once."""
    await booking.holds.release(caller, hold_id)
