"""REST endpoints of locations."""

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
from millrace_directory.location.schemas import LocationBody, LocationResource
from millrace_directory.reading import Filters
from millrace_directory.tables import location
from millrace_platform.preconditions import IfMatch, IfNoneMatch
from millrace_platform.resources import PageOf

router = APIRouter(prefix="/v1/directory/locations", tags=["locations"])


@router.get("", summary="List locations", response_model=PageOf[LocationResource], responses=LIST)
async def list_directory_locations(
    request: Request,
    directory: InDirectory,
    paging: InPaging,
    practice_id: Annotated[UUID | None, Query(description="Only locations of this practice.")] = None,
) -> Response:
    """Return a page of locations sorted by id; `Link` leads to the next page."""
    filters: Filters = {location.c.practice_id: practice_id}
    return page_response(request, await directory.locations.reader.page(paging.cursor, paging.limit, filters))


@router.post("", summary="Create a location", status_code=201, response_model=LocationResource, responses=CREATE)
async def create_directory_location(
    request: Request, directory: InDirectory, permissions: InStaff, body: LocationBody
) -> Response:
    """Create a location. Its id is derived from the address, so that all spellings of an address are one location."""
    return created_response(request, await directory.locations.create(permissions, body.state()))


@router.get("/{location_id}", summary="Get a location", response_model=LocationResource, responses=READ)
async def get_directory_location(directory: InDirectory, location_id: UUID, known: IfNoneMatch) -> Response:
    """Return a location with its version as ETag."""
    return read_response(await directory.locations.reader.get(location_id), known)


@router.put("/{location_id}", summary="Replace a location", response_model=LocationResource, responses=CHANGE)
async def replace_directory_location(
    directory: InDirectory, permissions: InStaff, location_id: UUID, match: IfMatch, body: LocationBody
) -> Response:
    """Replace the whole state of a location. Its address can only be spelled differently: another one has another id.

    A new spelling or practice also changes its provider-locations.
    """
    return changed_response(
        await directory.locations.replace(permissions, location_id, match, lambda _: body.state(location_id))
    )


@router.patch("/{location_id}", summary="Change a location", response_model=LocationResource, responses=CHANGE)
async def update_directory_location(
    directory: InDirectory, permissions: InStaff, location_id: UUID, match: IfMatch, body: MergePatch
) -> Response:
    """Apply a JSON merge patch to the resource that GET returns."""
    apply = patched_body(LocationBody, body)
    return changed_response(
        await directory.locations.replace(
            permissions, location_id, match, lambda current: apply(current).state(location_id)
        )
    )


@router.delete("/{location_id}", summary="Delete a location", status_code=204, responses=CHANGE)
async def delete_directory_location(
    directory: InDirectory, permissions: InStaff, location_id: UUID, match: IfMatch
) -> None:
    """Delete a location. 409 if there are provider-locations at it."""
    await directory.locations.delete(permissions, location_id, match)
