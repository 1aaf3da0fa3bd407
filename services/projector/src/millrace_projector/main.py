"""The ASGI application; `python -m millrace_projector` serves it."""

from functools import partial

from fastapi import FastAPI

from millrace_platform.application import create_app
from millrace_platform.redis import REDIS_UNAVAILABLE
from millrace_projector import bootstrap
from millrace_projector.endpoints import router
from millrace_projector.settings import ProjectorSettings


def create() -> FastAPI:
    """The projector by the environment. Raises pydantic's `ValidationError` for settings that can't be."""
    settings = ProjectorSettings()
    return create_app(
        settings,
        name="projector",
        title="Millrace projector",
        routers=[router],
        start=partial(bootstrap.start, settings),
        unavailable_on=REDIS_UNAVAILABLE,
    )
