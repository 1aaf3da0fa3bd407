"""REST endpoints of providers."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from millrace_directory.dependencies import InAdmin, InDirectory, InStaff
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
from millrace_directory.provider.schemas import ProviderBody, ProviderResource
from millrace_directory.reading import Filters
from millrace_directory.schemas import Taxonomy
from millrace_directory.tables import provider
from millrace_platform.preconditions import IfMatch, IfNoneMatch
from millrace_platform.resources import Npi, PageOf

router = APIRouter(prefix="/v1/directory/providers", tags=["providers"])


@router.get("", summary="List providers", response_model=PageOf[ProviderResource], responses=LIST)
async def list_directory_providers(
    request: Request,
    directory: InDirectory,
    paging: InPaging,
    taxonomy: Annotated[Taxonomy | None, Query(description="Only providers with this primary taxonomy code.")] = None,
) -> Response:
    """Return a page of providers sorted by NPI; `Link` leads to the next page."""
    filters: Filters = {provider.c.taxonomy: taxonomy}
    return page_response(request, await directory.providers.reader.page(paging.cursor, paging.limit, filters))


@router.post("", summary="Create a provider", status_code=201, response_model=ProviderResource, responses=CREATE)
async def create_directory_provider(
    request: Request, directory: InDirectory, permissions: InAdmin, body: ProviderBody
) -> Response:
    """Create a provider. Then create provider-locations for where the provider sees patients."""
    return created_response(request, await directory.providers.create(permissions, body.state()))


@router.get("/{npi}", summary="Get a provider", response_model=ProviderResource, responses=READ)
async def get_directory_provider(directory: InDirectory, npi: Npi, known: IfNoneMatch) -> Response:
    """Return a provider with its version as ETag."""
    return read_response(await directory.providers.reader.get(npi), known)


@router.put("/{npi}", summary="Replace a provider", response_model=ProviderResource, responses=CHANGE)
async def replace_directory_provider(
    directory: InDirectory, permissions: InStaff, npi: Npi, match: IfMatch, body: ProviderBody
) -> Response:
    """Replace the whole state of a provider."""
    return changed_response(await directory.providers.replace(permissions, npi, match, lambda _: body.state()))


@router.patch("/{npi}", summary="Change a provider", response_model=ProviderResource, responses=CHANGE)
async def update_directory_provider(
    directory: InDirectory, permissions: InStaff, npi: Npi, match: IfMatch, body: MergePatch
) -> Response:
    """Apply a JSON merge patch to the resource that GET returns."""
    apply = patched_body(ProviderBody, body)
    return changed_response(
        await directory.providers.replace(permissions, npi, match, lambda current: apply(current).state())
    )


@router.delete("/{npi}", summary="Delete a provider", status_code=204, responses=CHANGE)
async def delete_directory_provider(directory: InDirectory, permissions: InAdmin, npi: Npi, match: IfMatch) -> None:
    """Delete a provider and the provider's provider-locations."""
    await directory.providers.delete(permissions, npi, match)
