"""REST for providers."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from millrace_directory.dependencies import InAdmin, InDirectory, InWriter
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
from millrace_directory.provider.schemas import ProviderBody, ProviderResource
from millrace_directory.provider.tables import provider
from millrace_directory.reading import Filters
from millrace_directory.schemas import Taxonomy
from millrace_platform.preconditions import IfMatch, IfNoneMatch
from millrace_platform.resources import Npi, PageOf

router = APIRouter(prefix="/v1/directory/providers", tags=["providers"])


@router.get("", summary="List providers", response_model=PageOf[ProviderResource], responses=LIST)
async def index(
    request: Request,
    directory: InDirectory,
    paging: Paged,
    taxonomy: Annotated[Taxonomy | None, Query(description="Those with this primary taxonomy code.")] = None,
) -> Response:
    """In the order of NPIs; `Link` leads to the next page."""
    filters: Filters = {provider.c.taxonomy: taxonomy}
    return listed(request, await directory.providers.reader.page(paging.cursor, paging.limit, filters))


@router.post("", summary="Create a provider", status_code=201, response_model=ProviderResource, responses=CREATE)
async def create(request: Request, directory: InDirectory, writer: InAdmin, body: ProviderBody) -> Response:
    """Its places are provider-locations of their own."""
    return created(request, await directory.providers.create(writer, body.state()))


@router.get("/{npi}", summary="Get a provider", response_model=ProviderResource, responses=READ)
async def get(directory: InDirectory, npi: Npi, known: IfNoneMatch) -> Response:
    """With its version as ETag."""
    return shown(await directory.providers.reader.get(npi), known)


@router.put("/{npi}", summary="Replace a provider", response_model=ProviderResource, responses=CHANGE)
async def replace(directory: InDirectory, writer: InWriter, npi: Npi, match: IfMatch, body: ProviderBody) -> Response:
    """With the whole state."""
    return changed(await directory.providers.replace(writer, npi, match, lambda _: body.state()))


@router.patch("/{npi}", summary="Change a provider", response_model=ProviderResource, responses=CHANGE)
async def patch(directory: InDirectory, writer: InWriter, npi: Npi, match: IfMatch, body: MergePatch) -> Response:
    """Applies a JSON merge patch to what GET shows."""
    apply = patched(ProviderBody, body)
    return changed(await directory.providers.replace(writer, npi, match, lambda now: apply(now).state()))


@router.delete("/{npi}", summary="Delete a provider", status_code=204, responses=CHANGE)
async def delete(directory: InDirectory, writer: InAdmin, npi: Npi, match: IfMatch) -> None:
    """Deletes the provider's provider-locations too."""
    await directory.providers.delete(writer, npi, match)
