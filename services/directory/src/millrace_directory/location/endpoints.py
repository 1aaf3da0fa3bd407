"""REST for locations."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from millrace_directory.dependencies import InDirectory, InWriter
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
from millrace_directory.location.schemas import LocationBody, LocationResource
from millrace_directory.location.tables import location
from millrace_directory.reading import Filters
from millrace_platform.preconditions import IfMatch, IfNoneMatch
from millrace_platform.resources import PageOf

router = APIRouter(prefix="/v1/directory/locations", tags=["locations"])


@router.get("", summary="List locations", response_model=PageOf[LocationResource], responses=LIST)
async def index(
    request: Request,
    directory: InDirectory,
    paging: Paged,
    practice_id: Annotated[UUID | None, Query(description="Those of this practice.")] = None,
) -> Response:
    """In the order of ids; `Link` leads to the next page."""
    filters: Filters = {location.c.practice_id: practice_id}
    return listed(request, await directory.locations.reader.page(paging.cursor, paging.limit, filters))


@router.post("", summary="Create a location", status_code=201, response_model=LocationResource, responses=CREATE)
async def create(request: Request, directory: InDirectory, writer: InWriter, body: LocationBody) -> Response:
    """Without an `id`, the id follows from the address: the same address is the same location."""
    return created(request, await directory.locations.create(writer, body.state(body.derived_id())))


@router.get("/{location_id}", summary="Get a location", response_model=LocationResource, responses=READ)
async def get(directory: InDirectory, location_id: UUID, known: IfNoneMatch) -> Response:
    """With its version as ETag."""
    return shown(await directory.locations.reader.get(location_id), known)


@router.put("/{location_id}", summary="Replace a location", response_model=LocationResource, responses=CHANGE)
async def replace(
    directory: InDirectory, writer: InWriter, location_id: UUID, match: IfMatch, body: LocationBody
) -> Response:
    """With the whole state. A new address or practice is carried on to the provider-locations there."""
    return changed(await directory.locations.replace(writer, location_id, match, lambda _: body.state(location_id)))


@router.patch("/{location_id}", summary="Change a location", response_model=LocationResource, responses=CHANGE)
async def patch(
    directory: InDirectory, writer: InWriter, location_id: UUID, match: IfMatch, body: MergePatch
) -> Response:
    """Applies a JSON merge patch to what GET shows."""
    apply = patched(LocationBody, body)
    return changed(
        await directory.locations.replace(writer, location_id, match, lambda now: apply(now).state(location_id))
    )


@router.delete("/{location_id}", summary="Delete a location", status_code=204, responses=CHANGE)
async def delete(directory: InDirectory, writer: InWriter, location_id: UUID, match: IfMatch) -> None:
    """409 while provider-locations are there."""
    await directory.locations.delete(writer, location_id, match)
