"""REST for what can be booked. Public."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from millrace_platform.errors import FieldError, NotFound, Unprocessable
from millrace_platform.openapi import problems
from millrace_platform.responses import NO_STORE
from millrace_platform.routing import TypedRouter
from millrace_reference.text import closest
from millrace_reference.visit_reasons import all_visit_reasons, visit_reason
from millrace_scheduling.availability.schemas import (
    DAYS,
    AvailabilityParameters,
    AvailabilityResource,
    ExplainParameters,
    ExplanationResource,
    last_day,
)
from millrace_scheduling.dependencies import InScheduling
from millrace_scheduling.slot.zones import zone

router = APIRouter(prefix="/v1/availability", tags=["availability"])
direct = TypedRouter(prefix="/v1/availability", tags=["availability"])

YEARS = range(2000, 2100)
WESTERNMOST = timedelta(hours=12)
"""How long after UTC a day ends in the last zone."""


@direct.get("", summary="Find times that can be booked", response_model=AvailabilityResource, responses=problems(422))
async def read(scheduling: InScheduling, parameters: Annotated[AvailabilityParameters, Query()]) -> Response:
    """Times of up to 50 provider-locations on up to 31 days, each with the offset and the zone of its place.

    A time that is shown may be gone a moment later: the hold decides.
    """
    _known_reason(parameters.visit_reason)
    service = scheduling.availability
    first = parameters.from_ or (service.now() - WESTERNMOST).date()
    _check_near(first, "from")
    last = last_day(first, parameters.to)
    _check_days(first, last)
    body = await service.read(parameters.provider_location, first, last, parameters.wanted())
    return Response(body, headers=NO_STORE, media_type="application/json")


@router.get("/explain", summary="Explain why a time isn't offered", responses=problems(404, 422))
async def explain(
    scheduling: InScheduling, parameters: Annotated[ExplainParameters, Query()], response: Response
) -> ExplanationResource:
    """Every reason that keeps the time from being offered for such a visit; none where it can be booked."""
    _known_reason(parameters.visit_reason)
    _check_near(parameters.start, "start")
    found = await scheduling.availability.judge(parameters.provider_location, parameters.start, parameters.wanted())
    if found.timetable is None:
        raise NotFound(f"There is no provider-location {parameters.provider_location} here.")
    response.headers.update(NO_STORE)
    time_zone = found.timetable.time_zone
    return ExplanationResource(
        provider_location_id=parameters.provider_location,
        start=parameters.start.astimezone(zone(time_zone)),
        time_zone=time_zone,
        offered=not found.reasons,
        visit_type=None if found.visit_type is None else found.visit_type.id,
        reasons=ExplanationResource.explained(found.reasons),
    )


def _known_reason(slug: str | None) -> None:
    if slug is not None and visit_reason(slug) is None:
        near = closest(slug, [each.slug for each in all_visit_reasons()])
        remedy = f"Did you mean {', '.join(near)}?" if near else "GET /v1/visit-reasons lists them."
        raise Unprocessable(errors=[FieldError(field="visit_reason", detail="There is no such one.", remedy=remedy)])


def _check_days(first: date, last: date) -> None:
    if not timedelta(0) <= last - first < timedelta(DAYS):
        wrong = FieldError(field="to", detail="Too few or too many days.", remedy=f"Ask for 1 to {DAYS} days.")
        raise Unprocessable(errors=[wrong])


def _check_near(day: date, field: str) -> None:
    """Far away, days can't even be counted."""
    if day.year not in YEARS:
        raise Unprocessable(errors=[FieldError(field=field, detail="Too far away.", remedy="Name a day near today.")])
