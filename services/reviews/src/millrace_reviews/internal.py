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
    """Number of processed summaries. If `next` is not null, pass it as `after` to continue."""

    count: int
    next: str | None

    @classmethod
    def of(cls, page: SummaryPage) -> "SummaryBatch":
        return cls(count=page.count, next=page.next)


@router.post("/replay", summary="Publish summaries again", responses=problems(422))
async def publish_summary_replay(app: InApp, after: After = None) -> SummaryBatch:
    """Publish up to 1,000 summaries with NPIs above `after` again, with their versions, marked as a replay."""
    return SummaryBatch.of(await app.summaries.publish_replay(after))


@router.post("/recompute", summary="Recompute summaries", responses=problems(422))
async def recompute_summaries(app: InApp, after: After = None) -> SummaryBatch:
    """Recompute up to 1,000 summaries with NPIs above `after`; publish those that changed, e.g. by a new prior."""
    return SummaryBatch.of(await app.summaries.recompute(after))


@router.get("/status", summary="Get statistics of reviews and feeds")
async def get_reviews_status(app: InApp) -> Response:
    """Return the numbers of reviews by state and the state of the outbox, the relay and the consumer."""
    return json_response(await load_status(app))
