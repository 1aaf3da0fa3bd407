"""HTTP endpoint for searches."""

from typing import Annotated

from fastapi import Query, Request, Response

from millrace_platform.routing import TypedRouter
from millrace_search.find.parameters import parse_search
from millrace_search.find.schemas import EXAMPLE, SearchParameters, SearchResponse
from millrace_search.find.service import SearchService
from millrace_search.schemas import problems

router = TypedRouter(tags=["search"])


@router.get(
    "/v1/search",
    summary="Search providers",
    response_model=SearchResponse,
    responses={200: {"content": {"application/json": {"example": EXAMPLE}}}, **problems(422, 503)},
)
async def search_providers(request: Request, parameters: Annotated[SearchParameters, Query()]) -> Response:
    """Search providers at their locations near a place, by specialty, visit reason or name.

    If the index changes between pages, no result is repeated within 400 results, and no result whose sort value stays
    the same is skipped. A place outside the country has no results.
    """
    searches: SearchService = request.app.state.searches
    return Response(await searches.search(parse_search(parameters, searches.now())), media_type="application/json")
