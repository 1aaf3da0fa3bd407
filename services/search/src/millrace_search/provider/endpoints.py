"""HTTP endpoints for providers."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from millrace_platform.preconditions import IfNoneMatch, etag
from millrace_search.provider.model import ProviderView
from millrace_search.provider.schemas import ProviderLocations, ProviderPage, to_locations, to_page
from millrace_search.provider.service import ProviderService
from millrace_search.schemas import problems

router = APIRouter(prefix="/v1/providers", tags=["providers"])

RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "The version in `If-None-Match` is current."},
    **problems(404, 422, 503),
}
Npi = Annotated[str, Path(description="National Provider Identifier.", examples=["1234567893"])]


@router.get("/{npi}", summary="Get a provider", response_model=ProviderPage, responses=RESPONSES)
async def get_provider(request: Request, npi: Npi, known: IfNoneMatch) -> Response:
    """Get a provider with all locations, strongly consistent.

    The ETag changes with every change of the provider, its locations or openings, and when openings pass.
    """
    page = await _providers(request).get(npi)
    return _not_modified(page) if known.match_weakly(page.version) else _page_response(page, to_page(page))


@router.get(
    "/{npi}/locations", summary="List a provider's locations", response_model=ProviderLocations, responses=RESPONSES
)
async def list_provider_locations(request: Request, npi: Npi, known: IfNoneMatch) -> Response:
    """List the locations where the provider sees patients, with the provider's ETag."""
    page = await _providers(request).get(npi)
    if known.match_weakly(page.version):
        return _not_modified(page)
    return _page_response(page, ProviderLocations(items=to_locations(page)))


def _providers(request: Request) -> ProviderService:
    providers: ProviderService = request.app.state.providers
    return providers


def _not_modified(page: ProviderView) -> Response:
    return Response(status_code=304, headers={"ETag": etag(page.version)})


def _page_response(page: ProviderView, body: BaseModel) -> Response:
    headers = {"ETag": etag(page.version), "Cache-Control": "no-cache"}
    return Response(body.model_dump_json(), media_type="application/json", headers=headers)
