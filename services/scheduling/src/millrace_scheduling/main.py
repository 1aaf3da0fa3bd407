"""The scheduling service as an ASGI application."""

from functools import partial

from fastapi import FastAPI

from millrace_platform.application import create_app
from millrace_platform.service import Infrastructure
from millrace_scheduling import booking, bootstrap, internal
from millrace_scheduling.availability import endpoints as availability
from millrace_scheduling.bootstrap import OpenPatients
from millrace_scheduling.calendar import endpoints as calendars
from millrace_scheduling.hold.repository import ReservationGuard
from millrace_scheduling.openings import endpoints as openings
from millrace_scheduling.patient.client import open_patients
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
    infrastructure: Infrastructure | None = None,
    guard: ReservationGuard | None = None,
    open_patients: OpenPatients = open_patients,
) -> FastAPI:
    """Create the application, which connects when its lifespan begins. Tests replace all but the settings."""
    settings = settings or SchedulingSettings()
    infrastructure = infrastructure or Infrastructure.of(settings)
    return create_app(
        settings,
        name="scheduling",
        title="Millrace scheduling",
        routers=ROUTERS,
        start=partial(
            bootstrap.start,
            settings,
            infrastructure,
            guard=guard or ReservationGuard(),
            open_patients=open_patients,
        ),
        clock=infrastructure.clock,
    )
