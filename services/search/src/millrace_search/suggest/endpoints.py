"""REST for suggestions."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from millrace_search.schemas import problems
from millrace_search.suggest.schemas import SuggestionsAnswer, answer
from millrace_search.suggest.service import Suggester

router = APIRouter(tags=["search"])


@router.get("/v1/suggest", summary="Complete what is being typed", responses=problems(422, 503))
async def suggest(
    request: Request,
    q: Annotated[
        str,
        Query(min_length=1, max_length=100, description="What was typed so far.", examples=["derm"]),
    ],
    limit: Annotated[int, Query(ge=1, le=10, description="Most suggestions of each kind.")] = 5,
) -> SuggestionsAnswer:
    """Specialties, visit reasons, providers and plans of which words begin like those typed.

    Case and accents don't matter, and one slip in a word of four letters or more is forgiven: a letter wrong, missing,
    too many, or two swapped.
    """
    suggester: Suggester = request.app.state.suggester
    return answer(await suggester.suggest(q, limit))
