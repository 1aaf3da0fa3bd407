"""Internal API for operators; the load balancer does not route to it."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from millrace_platform.openapi import problems
from millrace_platform.resources import Npi, Schema
from millrace_platform.responses import json_response
from millrace_reviews.dependencies import InApp
from millrace_reviews.status import load_status
from millrace_reviews.summary.service import SummaryPage

router = APIRouter(prefix="/internal/reviews", tags=["internal"])

After = Annotated[Npi | None, Query(description="`next` of the previous response.")]


class SummaryBatch(Schema):
    """Number of processed summaries. Pass `next` as `after` to continue; null at the end."""

    count: int
    next: str | None

    @classmethod
    def of(cls, page: SummaryPage) -> "SummaryBatch":
        return cls(count=page.count, next=page.next)


@router.post("/replay", summary="Publish summaries again", responses=problems(422))
async def publish_summary_replay(app: InApp, after: After = None) -> SummaryBatch:
    """Publish up to 1,000 rating summaries with NPIs above `after` again, with their versions, marked as a replay."""
    return SummaryBatch.of(await app.summaries.publish_replay(after))


@router.post("/recompute", summary="Recompute summaries", responses=problems(422))
async def recompute_summaries(app: InApp, after: After = None) -> SummaryBatch:
    """Recompute up to 1,000 rating summaries with NPIs above `after`; publish those that changed.

    Use it after a change of the prior in the settings.
    """
    return SummaryBatch.of(await app.summaries.recompute(after))


@router.get("/status", summary="Get statistics of reviews and feeds")
async def get_reviews_status(app: InApp) -> Response:
    """Return the number of reviews in each state, and the state of the outbox, the relay and the consumer."""
    return json_response(await load_status(app))
