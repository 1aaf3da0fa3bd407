"""The refinery as an ASGI application."""

from functools import partial

from fastapi import FastAPI

from millrace_platform.application import create_app
from millrace_platform.service import Infrastructure
from millrace_refinery import bootstrap
from millrace_refinery.settings import RefinerySettings
from millrace_refinery.status import router


def create(settings: RefinerySettings | None = None, infrastructure: Infrastructure | None = None) -> FastAPI:
    """Create the application; connections are opened only when the server starts it."""
    settings = settings or RefinerySettings()
    infrastructure = infrastructure or Infrastructure.of(settings)
    return create_app(
        settings,
        name="refinery",
        title="Millrace refinery",
        routers=[router],
        start=partial(bootstrap.start, settings, infrastructure),
        clock=infrastructure.clock,
    )
