"""Endpoints for operators; no load balancer routes them."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy import func, select, table

from millrace_feeds.outbox import OUTBOX_TABLE
from millrace_platform.internal import for_operators
from millrace_platform.openapi import problems
from millrace_platform.responses import json_response
from millrace_platform.service_tokens import CallPurpose
from millrace_scheduling.calendar.tables import calendars
from millrace_scheduling.dependencies import InScheduling
from millrace_scheduling.dirty_marks import dirty_openings
from millrace_scheduling.provider_location.repository import provider_locations
from millrace_scheduling.replay import ReplayPage, publish_replay_page
from millrace_scheduling.zones import TZDATA_VERSION

router = APIRouter(prefix="/internal/scheduling", tags=["internal"])

MAX_PAGE = 500
"""Maximum of entities published in one transaction: a week of openings may have several kilobytes."""

_COUNTS = select(
    select(func.count()).select_from(table(OUTBOX_TABLE)).scalar_subquery(),
    select(func.count()).select_from(provider_locations).where(~provider_locations.c.is_deleted).scalar_subquery(),
    select(func.count()).select_from(calendars).where(calendars.c.document.is_not(None)).scalar_subquery(),
    select(func.count()).select_from(dirty_openings).scalar_subquery(),
)


@router.post(
    "/replay",
    summary="Publish openings, appointments and offers again",
    dependencies=[for_operators(CallPurpose.REPLAY)],
    responses=problems(422),
)
async def replay_scheduling(
    scheduling: InScheduling, after: str | None = None, limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = MAX_PAGE
) -> ReplayPage:
    """Publish up to `limit` entities after the cursor `after` again; their events are marked as a replay."""
    return await publish_replay_page(scheduling.units, after, limit)


@router.get("/status", summary="Show statistics", dependencies=[for_operators(CallPurpose.STATUS)])
async def get_scheduling_status(scheduling: InScheduling) -> Response:
    """Return statistics on outbox, relay, consumer, provider-locations, calendars, openings and tzdata."""
    async with scheduling.units.database.read() as session:
        backlog, location_count, calendar_count, dirty_count = (await session.execute(_COUNTS)).one()
    stats: dict[str, Any] = {
        "tzdata": TZDATA_VERSION,
        "outbox": {"backlog": backlog},
        "relay": asdict(scheduling.relay.status()),
        "consumer": asdict(scheduling.consumer.status()),
        "places": location_count,
        "calendars": calendar_count,
        "openings": {"backlog": dirty_count, "streams": scheduling.streams.notifier.subscriber_count},
    }
    return json_response(stats)
