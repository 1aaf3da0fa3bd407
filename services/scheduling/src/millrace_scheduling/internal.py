"""For operators and the services beside this one; the load balancer doesn't lead here."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy import func, select, table

from millrace_feeds.outbox import OUTBOX_TABLE
from millrace_platform.openapi import problems
from millrace_platform.responses import json_response
from millrace_scheduling.calendar.tables import calendars
from millrace_scheduling.dependencies import InScheduling
from millrace_scheduling.openings.tables import dirty_openings
from millrace_scheduling.place.tables import places
from millrace_scheduling.replay import Replayed, replay
from millrace_scheduling.slot.zones import TZDATA_VERSION

router = APIRouter(prefix="/internal/scheduling", tags=["internal"])

PAGE = 500
"""Entities of one transaction: a week of openings may be some kilobytes."""

_COUNTS = select(
    select(func.count()).select_from(table(OUTBOX_TABLE)).scalar_subquery(),
    select(func.count()).select_from(places).where(~places.c.deleted).scalar_subquery(),
    select(func.count()).select_from(calendars).where(calendars.c.document.is_not(None)).scalar_subquery(),
    select(func.count()).select_from(dirty_openings).scalar_subquery(),
)


@router.post("/replay", summary="Send openings, appointments and offers again", responses=problems(422))
async def send_again(
    scheduling: InScheduling, after: str | None = None, limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE
) -> Replayed:
    """Emits up to `limit` entities behind `after` under their present versions, marked as a replay."""
    return await replay(scheduling.parts.units, after, limit)


@router.get("/status", summary="Show the figures")
async def status(scheduling: InScheduling) -> Response:
    """Of the outbox and the relay, the consumer, places and calendars, what waits to be told, and the time zones."""
    async with scheduling.parts.database.read() as session:
        backlog, place_count, calendar_count, waiting = (await session.execute(_COUNTS)).one()
    figures: dict[str, Any] = {
        "tzdata": TZDATA_VERSION,
        "outbox": {"backlog": backlog},
        "relay": asdict(scheduling.relay.status()),
        "consumer": asdict(scheduling.consumer.status()),
        "places": place_count,
        "calendars": calendar_count,
        "openings": {"backlog": waiting, "streams": scheduling.streams.hub.count},
    }
    return json_response(figures)
