"""REST for provider-locations."""

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
from millrace_directory.location.tables import location
from millrace_directory.provider_location.schemas import ProviderLocationBody, ProviderLocationResource
from millrace_directory.provider_location.tables import provider_location
from millrace_directory.reading import Filters
from millrace_platform.preconditions import IfMatch, IfNoneMatch
from millrace_platform.resources import Npi, PageOf

router = APIRouter(prefix="/v1/directory/provider-locations", tags=["provider-locations"])


@router.get("", summary="List provider-locations", response_model=PageOf[ProviderLocationResource], responses=LIST)
async def index(
    *,
    request: Request,
    directory: InDirectory,
    paging: Paged,
    npi: Annotated[Npi | None, Query(description="Those of this provider.")] = None,
    location_id: Annotated[UUID | None, Query(description="Those at this location.")] = None,
    practice_id: Annotated[UUID | None, Query(description="Those at the locations of this practice.")] = None,
) -> Response:
    """In the order of NPIs, then ids; `Link` leads to the next page."""
    filters: Filters = {
        provider_location.c.npi: npi,
        provider_location.c.location_id: location_id,
        location.c.practice_id: practice_id,
    }
    return listed(request, await directory.provider_locations.reader.page(paging.cursor, paging.limit, filters))


@router.post(
    "", summary="Create a provider-location", status_code=201, response_model=ProviderLocationResource, responses=CREATE
)
async def create(request: Request, directory: InDirectory, writer: InWriter, body: ProviderLocationBody) -> Response:
    """The id follows from the NPI and the location."""
    return created(request, await directory.provider_locations.create(writer, body.state()))


@router.get(
    "/{provider_location_id}",
    summary="Get a provider-location",
    response_model=ProviderLocationResource,
    responses=READ,
)
async def get(directory: InDirectory, provider_location_id: UUID, known: IfNoneMatch) -> Response:
    """With its version as ETag."""
    return shown(await directory.provider_locations.reader.get(provider_location_id), known)


@router.put(
    "/{provider_location_id}",
    summary="Replace a provider-location",
    response_model=ProviderLocationResource,
    responses=CHANGE,
)
async def replace(
    directory: InDirectory, writer: InWriter, provider_location_id: UUID, match: IfMatch, body: ProviderLocationBody
) -> Response:
    """With the whole state. NPI and location stay; a provider who moves gets a new provider-location."""
    return changed(
        await directory.provider_locations.replace(writer, provider_location_id, match, lambda _: body.state())
    )


@router.patch(
    "/{provider_location_id}",
    summary="Change a provider-location",
    response_model=ProviderLocationResource,
    responses=CHANGE,
)
async def patch(
    directory: InDirectory, writer: InWriter, provider_location_id: UUID, match: IfMatch, body: MergePatch
) -> Response:
    """Applies a JSON merge patch to what GET shows."""
    apply = patched(ProviderLocationBody, body)
    return changed(
        await directory.provider_locations.replace(writer, provider_location_id, match, lambda now: apply(now).state())
    )


@router.delete("/{provider_location_id}", summary="Delete a provider-location", status_code=204, responses=CHANGE)
async def delete(directory: InDirectory, writer: InWriter, provider_location_id: UUID, match: IfMatch) -> None:
    """The provider no longer sees patients there."""
    await directory.provider_locations.delete(writer, provider_location_id, match)
