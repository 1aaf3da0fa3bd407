"""The projector as an ASGI application."""

from functools import partial

from fastapi import FastAPI

from millrace_platform.application import create_app
from millrace_platform.redis import REDIS_UNAVAILABLE
from millrace_platform.service import Infrastructure
from millrace_projector import bootstrap
from millrace_projector.settings import ProjectorSettings
from millrace_projector.status import router


def create(settings: ProjectorSettings | None = None, infrastructure: Infrastructure | None = None) -> FastAPI:
    """Create the ASGI application; it opens no connections before its lifespan begins."""
    settings = settings or ProjectorSettings()
    infrastructure = infrastructure or Infrastructure.of(settings)
    return create_app(
        settings,
        name="projector",
        title="Millrace projector",
        routers=[router],
        start=partial(bootstrap.start, settings, infrastructure),
        unavailable_on=REDIS_UNAVAILABLE,
        clock=infrastructure.clock,
    )
