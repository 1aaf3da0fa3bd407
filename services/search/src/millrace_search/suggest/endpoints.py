"""HTTP endpoint for suggestions."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from millrace_search.schemas import problems
from millrace_search.suggest.schemas import SuggestionsResponse
from millrace_search.suggest.service import SuggestionService

router = APIRouter(tags=["search"])


@router.get("/v1/suggest", summary="List suggestions", responses=problems(422, 503))
async def list_suggestions(
    request: Request,
    q: Annotated[str, Query(min_length=1, max_length=300, description="The text typed so far.", examples=["derm"])],
    limit: Annotated[int, Query(ge=1, le=10, description="Maximum number of suggestions of each type.")] = 5,
) -> SuggestionsResponse:
    """Suggest specialties, visit reasons, providers and plans by prefixes of their words.

    Ignores case, accents and one typo in words of four letters or more: a wrong, missing or extra letter, or two
    swapped ones. In names of providers, also ignores whether words are joined, titles and credentials.
    """
    suggester: SuggestionService = request.app.state.suggester
    return SuggestionsResponse.model_validate(await suggester.suggest(q, limit), from_attributes=True)
