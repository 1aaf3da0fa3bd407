"""The ASGI application; `python -m refinery` serves it."""

from functools import partial

from fastapi import FastAPI

from millrace_platform.application import create_app
from refinery import bootstrap
from refinery.endpoints import router
from refinery.settings import RefinerySettings


def create() -> FastAPI:
    """The refinery by the environment. Raises pydantic's `ValidationError` for settings that can't be."""
    settings = RefinerySettings()
    return create_app(
        settings,
        name="refinery",
        title="Millrace refinery",
        routers=[router],
        start=partial(bootstrap.start, settings),
    )
