"""The scheduling service as an ASGI application."""

from fastapi import FastAPI

from millrace_feeds.clock import Clock, SystemClock
from millrace_platform.application import create_app
from millrace_platform.ids import Ids, Uuid7
from millrace_scheduling import booking, internal
from millrace_scheduling.availability import endpoints as availability
from millrace_scheduling.bootstrap import AWS, Feeds, starter
from millrace_scheduling.calendar import endpoints as calendars
from millrace_scheduling.hold.repository import ReservationGuard
from millrace_scheduling.openings import endpoints as openings
from millrace_scheduling.settings import SchedulingSettings

ROUTERS = (
    *booking.ROUTERS,
    calendars.router,
    availability.direct,
    availability.router,
    openings.router,
    internal.router,
)


def create(
    settings: SchedulingSettings | None = None,
    *,
    feeds: Feeds = AWS,
    clock: Clock | None = None,
    ids: Ids | None = None,
    guard: ReservationGuard | None = None,
) -> FastAPI:
    """Nothing is opened before the lifespan begins. Tests pass feeds in memory, a clock, ids, and a guard of claims."""
    settings = settings or SchedulingSettings()
    clock = clock or SystemClock()
    return create_app(
        settings,
        name="scheduling",
        title="Millrace scheduling",
        routers=ROUTERS,
        start=starter(settings, feeds, clock, ids or Uuid7(clock), guard or ReservationGuard()),
    )
