"""REST for provider pages."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from millrace_platform.preconditions import IfNoneMatch, etag
from millrace_search.provider.schemas import ProviderLocations, ProviderPage, locations_of, page_of
from millrace_search.provider.service import Page, Providers
from millrace_search.schemas import problems

router = APIRouter(prefix="/v1/providers", tags=["providers"])

RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "The version that `If-None-Match` names."},
    **problems(404, 422, 503),
}
Npi = Annotated[str, Path(description="National Provider Identifier.", examples=["1234567893"])]


@router.get("/{npi}", summary="Get a provider", response_model=ProviderPage, responses=RESPONSES)
async def provider(request: Request, npi: Npi, known: IfNoneMatch) -> Response:
    """All that is known of a provider, strongly consistent. The ETag changes with every part, and as openings pass."""
    page = await _providers(request).get(npi)
    return _unchanged(page) if known.match_weakly(page.version) else _shown(page, page_of(page))


@router.get(
    "/{npi}/locations", summary="List a provider's locations", response_model=ProviderLocations, responses=RESPONSES
)
async def locations(request: Request, npi: Npi, known: IfNoneMatch) -> Response:
    """Where the provider sees patients, with the provider's ETag."""
    page = await _providers(request).get(npi)
    if known.match_weakly(page.version):
        return _unchanged(page)
    return _shown(page, ProviderLocations(items=locations_of(page)))


def _providers(request: Request) -> Providers:
    providers: Providers = request.app.state.providers
    return providers


def _unchanged(page: Page) -> Response:
    return Response(status_code=304, headers={"ETag": etag(page.version)})


def _shown(page: Page, body: BaseModel) -> Response:
    headers = {"ETag": etag(page.version), "Cache-Control": "no-cache"}
    return Response(body.model_dump_json(), media_type="application/json", headers=headers)
