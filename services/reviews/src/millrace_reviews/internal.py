"""For operators; the load balancer doesn't lead here."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from millrace_platform.openapi import problems
from millrace_platform.resources import Npi, Schema
from millrace_platform.responses import json_response
from millrace_reviews.dependencies import InApp
from millrace_reviews.status import status
from millrace_reviews.summary.service import Page

router = APIRouter(prefix="/internal/reviews", tags=["internal"])

After = Annotated[Npi | None, Query(description="`next` of the answer before.")]


class Walked(Schema):
    """How many summaries were looked at; `next`, unless null, is to be given as `after`."""

    count: int
    next: str | None

    @classmethod
    def of(cls, page: Page) -> "Walked":
        return cls(count=page.count, next=page.next)


@router.post("/replay", summary="Send summaries again", responses=problems(422))
async def replay(app: InApp, after: After = None) -> Walked:
    """Emits up to 1,000 summaries behind `after` under their present versions, marked as a replay."""
    return Walked.of(await app.summaries.replay(after))


@router.post("/recompute", summary="Compute summaries again", responses=problems(422))
async def recompute(app: InApp, after: After = None) -> Walked:
    """Looks at up to 1,000 summaries behind `after` and emits those that differ: needed where the prior changed."""
    return Walked.of(await app.summaries.recompute(after))


@router.get("/status", summary="Show the figures")
async def show_status(app: InApp) -> Response:
    """Of reviews by state, the outbox, the relay and the consumer."""
    return json_response(await status(app))
