"""The directory as an ASGI application."""

from functools import partial

from fastapi import FastAPI

from millrace_directory import bootstrap, internal, reference
from millrace_directory.insurance_plan import endpoints as insurance_plans
from millrace_directory.location import endpoints as locations
from millrace_directory.practice import endpoints as practices
from millrace_directory.provider import endpoints as providers
from millrace_directory.provider_location import endpoints as provider_locations
from millrace_directory.settings import DirectorySettings
from millrace_platform.application import create_app
from millrace_platform.service import Infrastructure

AGGREGATES = (practices, locations, providers, provider_locations, insurance_plans)


def create(settings: DirectorySettings | None = None, infrastructure: Infrastructure | None = None) -> FastAPI:
    """Create the application; nothing is opened before its lifespan begins."""
    settings = settings or DirectorySettings()
    infrastructure = infrastructure or Infrastructure.of(settings)
    return create_app(
        settings,
        name="directory",
        title="Millrace directory",
        routers=[*(module.router for module in AGGREGATES), insurance_plans.public, reference.router, internal.router],
        start=partial(bootstrap.start, settings, infrastructure),
        clock=infrastructure.clock,
    )
