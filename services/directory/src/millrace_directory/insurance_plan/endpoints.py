"""REST for insurance plans."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from millrace_directory.dependencies import InAdmin, InDirectory
from millrace_directory.http import (
    CHANGE,
    CREATE,
    LIST,
    READ,
    MergePatch,
    Paged,
    changed,
    created,
    listed,
    patched,
    shown,
)
from millrace_directory.insurance_plan.schemas import InsurancePlanBody, InsurancePlanResource
from millrace_directory.insurance_plan.tables import insurance_plan
from millrace_directory.reading import Filters
from millrace_directory.schemas import PlanId
from millrace_platform.preconditions import IfMatch, IfNoneMatch
from millrace_platform.resources import PageOf, Text

router = APIRouter(prefix="/v1/directory/insurance-plans", tags=["insurance-plans"])


@router.get("", summary="List insurance plans", response_model=PageOf[InsurancePlanResource], responses=LIST)
async def index(
    request: Request,
    directory: InDirectory,
    paging: Paged,
    issuer: Annotated[Text | None, Query(description="Those of this issuer.")] = None,
) -> Response:
    """In the order of ids; `Link` leads to the next page."""
    filters: Filters = {insurance_plan.c.issuer: issuer}
    return listed(request, await directory.insurance_plans.reader.page(paging.cursor, paging.limit, filters))


@router.post(
    "", summary="Create an insurance plan", status_code=201, response_model=InsurancePlanResource, responses=CREATE
)
async def create(request: Request, directory: InDirectory, writer: InAdmin, body: InsurancePlanBody) -> Response:
    """Then provider-locations can accept it."""
    return created(request, await directory.insurance_plans.create(writer, body.state()))


@router.get("/{plan_id}", summary="Get an insurance plan", response_model=InsurancePlanResource, responses=READ)
async def get(directory: InDirectory, plan_id: PlanId, known: IfNoneMatch) -> Response:
    """With its version as ETag."""
    return shown(await directory.insurance_plans.reader.get(plan_id), known)


@router.put("/{plan_id}", summary="Replace an insurance plan", response_model=InsurancePlanResource, responses=CHANGE)
async def replace(
    directory: InDirectory, writer: InAdmin, plan_id: PlanId, match: IfMatch, body: InsurancePlanBody
) -> Response:
    """With the whole state."""
    return changed(await directory.insurance_plans.replace(writer, plan_id, match, lambda _: body.state()))


@router.patch("/{plan_id}", summary="Change an insurance plan", response_model=InsurancePlanResource, responses=CHANGE)
async def patch(directory: InDirectory, writer: InAdmin, plan_id: PlanId, match: IfMatch, body: MergePatch) -> Response:
    """Applies a JSON merge patch to what GET shows."""
    apply = patched(InsurancePlanBody, body)
    return changed(await directory.insurance_plans.replace(writer, plan_id, match, lambda now: apply(now).state()))


@router.delete("/{plan_id}", summary="Delete an insurance plan", status_code=204, responses=CHANGE)
async def delete(directory: InDirectory, writer: InAdmin, plan_id: PlanId, match: IfMatch) -> None:
    """Nobody accepts it any more: it is taken from the provider-locations that did."""
    await directory.insurance_plans.delete(writer, plan_id, match)


public = APIRouter(prefix="/v1/insurance-plans", tags=["insurance-plans"])


@public.get(
    "",
    summary="List the insurance plans that can be searched for",
    response_model=PageOf[InsurancePlanResource],
    responses=LIST,
)
async def choose(
    request: Request,
    directory: InDirectory,
    paging: Paged,
    issuer: Annotated[Text | None, Query(description="Those of this issuer.")] = None,
) -> Response:
    """In the order of ids; `Link` leads to the next page."""
    filters: Filters = {insurance_plan.c.issuer: issuer}
    return listed(request, await directory.insurance_plans.reader.page(paging.cursor, paging.limit, filters))


@public.get("/{plan_id}", summary="Get an insurance plan", response_model=InsurancePlanResource, responses=READ)
async def look_up(directory: InDirectory, plan_id: PlanId, known: IfNoneMatch) -> Response:
    """With its version as ETag."""
    return shown(await directory.insurance_plans.reader.get(plan_id), known)
