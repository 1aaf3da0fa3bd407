"""REST endpoints of provider-locations."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from millrace_directory.dependencies import InDirectory, InStaff
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
from millrace_directory.provider_location.schemas import ProviderLocationBody, ProviderLocationResource
from millrace_directory.reading import Filters
from millrace_directory.tables import location, provider_location
from millrace_platform.preconditions import IfMatch, IfNoneMatch
from millrace_platform.resources import Npi, PageOf

router = APIRouter(prefix="/v1/directory/provider-locations", tags=["provider-locations"])


@router.get("", summary="List provider-locations", response_model=PageOf[ProviderLocationResource], responses=LIST)
async def list_directory_provider_locations(
    *,
    request: Request,
    directory: InDirectory,
    paging: InPaging,
    npi: Annotated[Npi | None, Query(description="Only those of this provider.")] = None,
    location_id: Annotated[UUID | None, Query(description="Only those at this location.")] = None,
    practice_id: Annotated[UUID | None, Query(description="Only those at locations of this practice.")] = None,
) -> Response:
    """Return a page of provider-locations sorted by NPI, then by id; `Link` leads to the next page."""
    filters: Filters = {
        provider_location.c.npi: npi,
        provider_location.c.location_id: location_id,
        location.c.practice_id: practice_id,
    }
    return page_response(request, await directory.provider_locations.reader.page(paging.cursor, paging.limit, filters))


@router.post(
    "", summary="Create a provider-location", status_code=201, response_model=ProviderLocationResource, responses=CREATE
)
async def create_directory_provider_location(
    request: Request, directory: InDirectory, permissions: InStaff, body: ProviderLocationBody
) -> Response:
    """Create a provider-location. Its id is derived from the NPI and the location."""
    return created_response(request, await directory.provider_locations.create(permissions, body.state()))


@router.get(
    "/{provider_location_id}",
    summary="Get a provider-location",
    response_model=ProviderLocationResource,
    responses=READ,
)
async def get_directory_provider_location(
    directory: InDirectory, provider_location_id: UUID, known: IfNoneMatch
) -> Response:
    """Return a provider-location with its version as ETag."""
    return read_response(await directory.provider_locations.reader.get(provider_location_id), known)


@router.put(
    "/{provider_location_id}",
    summary="Replace a provider-location",
    response_model=ProviderLocationResource,
    responses=CHANGE,
)
async def replace_directory_provider_location(
    directory: InDirectory, permissions: InStaff, provider_location_id: UUID, match: IfMatch, body: ProviderLocationBody
) -> Response:
    """Replace the whole state. NPI and location can't change: create a new provider-location instead."""
    return changed_response(
        await directory.provider_locations.replace(permissions, provider_location_id, match, lambda _: body.state())
    )


@router.patch(
    "/{provider_location_id}",
    summary="Change a provider-location",
    response_model=ProviderLocationResource,
    responses=CHANGE,
)
async def update_directory_provider_location(
    directory: InDirectory, permissions: InStaff, provider_location_id: UUID, match: IfMatch, body: MergePatch
) -> Response:
    """Apply a JSON merge patch to the resource that GET returns."""
    apply = patched_body(ProviderLocationBody, body)
    return changed_response(
        await directory.provider_locations.replace(
            permissions, provider_location_id, match, lambda current: apply(current).state()
        )
    )


@router.delete("/{provider_location_id}", summary="Delete a provider-location", status_code=204, responses=CHANGE)
async def delete_directory_provider_location(
    directory: InDirectory, permissions: InStaff, provider_location_id: UUID, match: IfMatch
) -> None:
    """Delete a provider-location: the provider no longer sees patients at the location."""
    await directory.provider_locations.delete(permissions, provider_location_id, match)


@router.post(
    "/{provider_location_id}/confirm",
    summary="Confirm a provider-location",
    response_model=ProviderLocationResource,
    responses=CHANGE,
)
async def confirm_directory_provider_location(
    directory: InDirectory, permissions: InStaff, provider_location_id: UUID, match: IfMatch
) -> Response:
    """Confirm that the provider sees patients there; it can be searched and booked from then on.

    A provider-location that a practice creates for a provider of another practice is pending until the staff of that
    practice or an administrator confirms it.
    """
    return changed_response(await directory.provider_locations.confirm(permissions, provider_location_id, match))
