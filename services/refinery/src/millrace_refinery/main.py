"""The ASGI application; `python -m millrace_refinery` serves it."""

from functools import partial

from fastapi import FastAPI

from millrace_platform.application import create_app
from millrace_refinery import bootstrap
from millrace_refinery.endpoints import router
from millrace_refinery.settings import RefinerySettings


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
