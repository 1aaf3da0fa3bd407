"""REST endpoints of openings. Public."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from millrace_platform.errors import FieldError, NotFound, Unprocessable
from millrace_platform.openapi import problems
from millrace_platform.responses import NO_STORE
from millrace_platform.routing import TypedRouter
from millrace_scheduling.availability.schemas import (
    MAX_DAYS,
    AvailabilityParameters,
    AvailabilityResource,
    ExplainParameters,
    ExplanationResource,
    ReasonResource,
)
from millrace_scheduling.dependencies import InScheduling
from millrace_scheduling.zones import get_zone

router = APIRouter(prefix="/v1/availability", tags=["availability"])
direct = TypedRouter(prefix="/v1/availability", tags=["availability"])

WESTERNMOST_OFFSET = timedelta(hours=12)
"""How far local time in the westernmost time zone is behind UTC."""


@direct.get("", summary="Find openings", response_model=AvailabilityResource, responses=problems(422))
async def get_availability(
    scheduling: InScheduling, parameters: Annotated[AvailabilityParameters, Query()]
) -> Response:
    """Return the bookable times of up to 50 provider-locations on up to 31 days, in the local time of each location.

    Others may reserve a returned time at any moment: only a hold reserves it for you.
    """
    service = scheduling.availability
    first = parameters.from_ or (service.now() - WESTERNMOST_OFFSET).date()
    last = parameters.to or first + timedelta(6)
    _require_few_days(first, last)
    body = await service.render(parameters.provider_location, first, last, parameters.criteria())
    return Response(body, headers=NO_STORE, media_type="application/json")


@router.get("/explain", summary="Explain why a time isn't offered", responses=problems(404, 422))
async def explain_availability(
    scheduling: InScheduling, parameters: Annotated[ExplainParameters, Query()], response: Response
) -> ExplanationResource:
    """Return all reasons why a time isn't offered for the given visit; the list is empty if it can be booked."""
    explanation = await scheduling.availability.explain(
        parameters.provider_location, parameters.start, parameters.criteria()
    )
    if explanation.timetable is None:
        raise NotFound("There is no such provider-location.")
    response.headers.update(NO_STORE)
    time_zone = explanation.timetable.time_zone
    return ExplanationResource(
        provider_location_id=parameters.provider_location,
        start=parameters.start.astimezone(get_zone(time_zone)),
        time_zone=time_zone,
        offered=not explanation.reasons,
        visit_type=None if explanation.visit_type is None else explanation.visit_type.id,
        reasons=[ReasonResource.of(each) for each in explanation.reasons],
    )


def _require_few_days(first: date, last: date) -> None:
    if not timedelta(0) <= last - first < timedelta(MAX_DAYS):
        detail, remedy = "The range ends before it begins, or is too long.", f"Request 1 to {MAX_DAYS} days."
        raise Unprocessable(errors=[FieldError(field="to", detail=detail, remedy=remedy)])
