"""Internal API for operators; no load balancer routes it."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy import DateTime, column, distinct, func, select, table

from millrace_feeds.outbox import OUTBOX_TABLE
from millrace_platform.internal import for_operators
from millrace_platform.openapi import problems
from millrace_platform.resources import Npi
from millrace_platform.responses import json_response
from millrace_platform.service_tokens import CallPurpose
from millrace_reviews.dependencies import InApp
from millrace_reviews.review.model import State
from millrace_reviews.schema import flag, review
from millrace_reviews.summary.service import SummaryBatch

router = APIRouter(prefix="/internal/reviews", tags=["internal"])

After = Annotated[Npi | None, Query(description="`next` of the previous response.")]

_created = column("created_at", DateTime(timezone=True))
_OUTBOX = select(func.count(), func.extract("epoch", func.clock_timestamp() - func.min(_created)) * 1000).select_from(
    table(OUTBOX_TABLE, _created)
)
_STATES = select(review.c.state, func.count().label("number")).group_by(review.c.state)
_FLAGGED = select(func.count(distinct(flag.c.review_id)))


@router.post(
    "/replay",
    summary="Publish summaries again",
    dependencies=[for_operators(CallPurpose.REPLAY)],
    responses=problems(422),
)
async def publish_summary_replay(app: InApp, after: After = None) -> SummaryBatch:
    """Publish up to 1,000 rating summaries with NPIs above `after` again, with their versions, marked as a replay."""
    return await app.summaries.publish_replay(after)


@router.post(
    "/recompute",
    summary="Recompute summaries",
    dependencies=[for_operators(CallPurpose.RECOMPUTE)],
    responses=problems(422),
)
async def recompute_summaries(app: InApp, after: After = None) -> SummaryBatch:
    """Recompute up to 1,000 rating summaries with NPIs above `after`; publish those that changed.

    Use it after a change of the averages' prior (assumed mean and its weight) in the settings.
    """
    return await app.summaries.recompute(after)


@router.get("/status", summary="Get statistics of reviews and feeds", dependencies=[for_operators(CallPurpose.STATUS)])
async def get_reviews_status(app: InApp) -> Response:
    """Return the number of reviews in each state and of flagged ones, and the state of outbox, relay and consumer.

    The outbox is given as its number of rows and the age of the oldest in ms.
    """
    async with app.database.read() as session:
        states = {row.state: row.number for row in await session.execute(_STATES)}
        flagged = await session.scalar(_FLAGGED)
        backlog, oldest = (await session.execute(_OUTBOX)).one()
    return json_response(
        {
            "reviews": {**{state.value: states.get(state.value, 0) for state in State}, "flagged": flagged},
            "outbox": {"backlog": backlog, "oldest_age_ms": None if oldest is None else round(float(oldest), 1)},
            "relay": asdict(app.relay.status()),
            "consumer": asdict(app.consumer.status()),
        }
    )
