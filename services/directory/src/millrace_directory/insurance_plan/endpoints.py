"""REST endpoints of insurance plans."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from millrace_directory.dependencies import InAdmin, InDirectory
from millrace_directory.http import (
    CHANGE,
    CREATE,
    LIST,
    READ,
    InPaging,
    MergePatch,
    changed_response,
    created_response,
    page_response,
    patched_body,
    read_response,
)
from millrace_directory.insurance_plan.schemas import InsurancePlanBody, InsurancePlanResource
from millrace_directory.reading import Filters
from millrace_directory.schemas import PlanId
from millrace_directory.tables import insurance_plan
from millrace_platform.preconditions import IfMatch, IfNoneMatch
from millrace_platform.resources import PageOf, Text

router = APIRouter(prefix="/v1/directory/insurance-plans", tags=["insurance-plans"])


@router.get("", summary="List insurance plans", response_model=PageOf[InsurancePlanResource], responses=LIST)
async def list_directory_insurance_plans(
    request: Request,
    directory: InDirectory,
    paging: InPaging,
    issuer: Annotated[Text | None, Query(description="Only plans of this issuer.")] = None,
) -> Response:
    """Return a page of insurance plans sorted by id; `Link` leads to the next page."""
    filters: Filters = {insurance_plan.c.issuer: issuer}
    return page_response(request, await directory.insurance_plans.reader.page(paging.cursor, paging.limit, filters))


@router.post(
    "", summary="Create an insurance plan", status_code=201, response_model=InsurancePlanResource, responses=CREATE
)
async def create_directory_insurance_plan(
    request: Request, directory: InDirectory, permissions: InAdmin, body: InsurancePlanBody
) -> Response:
    """Create an insurance plan, which provider-locations can then accept."""
    return created_response(request, await directory.insurance_plans.create(permissions, body.state()))


@router.get("/{plan_id}", summary="Get an insurance plan", response_model=InsurancePlanResource, responses=READ)
async def get_directory_insurance_plan(directory: InDirectory, plan_id: PlanId, known: IfNoneMatch) -> Response:
    """Return an insurance plan with its version as ETag."""
    return read_response(await directory.insurance_plans.reader.get(plan_id), known)


@router.put("/{plan_id}", summary="Replace an insurance plan", response_model=InsurancePlanResource, responses=CHANGE)
async def replace_directory_insurance_plan(
    directory: InDirectory, permissions: InAdmin, plan_id: PlanId, match: IfMatch, body: InsurancePlanBody
) -> Response:
    """Replace the whole state of an insurance plan."""
    return changed_response(
        await directory.insurance_plans.replace(permissions, plan_id, match, lambda _: body.state())
    )


@router.patch("/{plan_id}", summary="Change an insurance plan", response_model=InsurancePlanResource, responses=CHANGE)
async def update_directory_insurance_plan(
    directory: InDirectory, permissions: InAdmin, plan_id: PlanId, match: IfMatch, body: MergePatch
) -> Response:
    """Apply a JSON merge patch to the resource that GET returns."""
    apply = patched_body(InsurancePlanBody, body)
    return changed_response(
        await directory.insurance_plans.replace(permissions, plan_id, match, lambda current: apply(current).state())
    )


@router.delete("/{plan_id}", summary="Delete an insurance plan", status_code=204, responses=CHANGE)
async def delete_directory_insurance_plan(
    directory: InDirectory, permissions: InAdmin, plan_id: PlanId, match: IfMatch
) -> None:
    """Delete an insurance plan, and remove it from the provider-locations that accept it."""
    await directory.insurance_plans.delete(permissions, plan_id, match)


public = APIRouter(prefix="/v1/insurance-plans", tags=["insurance-plans"])


@public.get(
    "",
    summary="List the insurance plans that can be searched for",
    response_model=PageOf[InsurancePlanResource],
    responses=LIST,
)
async def list_insurance_plans(
    request: Request,
    directory: InDirectory,
    paging: InPaging,
    issuer: Annotated[Text | None, Query(description="Only plans of this issuer.")] = None,
) -> Response:
    """Return a page of insurance plans sorted by id; `Link` leads to the next page."""
    filters: Filters = {insurance_plan.c.issuer: issuer}
    return page_response(request, await directory.insurance_plans.reader.page(paging.cursor, paging.limit, filters))


@public.get("/{plan_id}", summary="Get an insurance plan", response_model=InsurancePlanResource, responses=READ)
async def get_insurance_plan(directory: InDirectory, plan_id: PlanId, known: IfNoneMatch) -> Response:
    """Return an insurance plan with its version as ETag."""
    return read_response(await directory.insurance_plans.reader.get(plan_id), known)
