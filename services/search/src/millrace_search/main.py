"""The ASGI application; `python -m millrace_search` serves it."""

from functools import partial

from fastapi import FastAPI

from millrace_platform.application import create_app
from millrace_search import bootstrap
from millrace_search.find.endpoints import router as find
from millrace_search.provider.endpoints import router as provider
from millrace_search.settings import SearchSettings
from millrace_search.status.endpoints import router as status
from millrace_search.suggest.endpoints import router as suggest


def create() -> FastAPI:
    """Create the application from the environment; raise pydantic's `ValidationError` for invalid settings."""
    settings = SearchSettings()
    return create_app(
        settings,
        name="search",
        title="Millrace search",
        routers=[find, suggest, provider, status],
        start=partial(bootstrap.start, settings),
    )
