"""REST for searches."""

from typing import Annotated

from fastapi import Query, Request, Response

from millrace_platform.routing import TypedRouter
from millrace_search.find.parameters import SearchParameters, search_of
from millrace_search.find.schemas import EXAMPLE, SearchAnswer
from millrace_search.find.service import Searches
from millrace_search.schemas import problems

router = TypedRouter(tags=["search"])


@router.get(
    "/v1/search",
    summary="Search providers",
    response_model=SearchAnswer,
    responses={200: {"content": {"application/json": {"example": EXAMPLE}}}, **problems(422, 503)},
)
async def search(request: Request, parameters: Annotated[SearchParameters, Query()]) -> Response:
    """Providers at their locations around a place, by specialty, visit reason or name.

    Page after page shows nobody twice within 400 results and skips nobody whose place in the order does not change,
    whatever changes meanwhile. A place outside the country has no results.
    """
    searches: Searches = request.app.state.searches
    return Response(await searches.search(search_of(parameters, searches.now())), media_type="application/json")
