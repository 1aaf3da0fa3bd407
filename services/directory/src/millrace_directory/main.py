"""The directory as an ASGI application."""

from fastapi import FastAPI

from millrace_directory import internal, reference
from millrace_directory.bootstrap import Transports, Verifiers, starter
from millrace_directory.insurance_plan import endpoints as insurance_plans
from millrace_directory.location import endpoints as locations
from millrace_directory.practice import endpoints as practices
from millrace_directory.provider import endpoints as providers
from millrace_directory.provider_location import endpoints as provider_locations
from millrace_feeds.assembly import open_transport
from millrace_feeds.clock import Clock, SystemClock
from millrace_platform.application import create_app
from millrace_platform.authentication import open_verifier
from millrace_platform.ids import Ids, Uuid7
from millrace_platform.settings import PlatformSettings

AGGREGATES = (practices, locations, providers, provider_locations, insurance_plans)


def create(
    settings: PlatformSettings | None = None,
    *,
    transports: Transports = open_transport,
    verifiers: Verifiers = open_verifier,
    clock: Clock | None = None,
    ids: Ids | None = None,
) -> FastAPI:
    """Nothing is opened before the lifespan begins. Tests pass a transport in memory, an issuer, a clock and ids."""
    settings = settings or PlatformSettings()
    clock = clock or SystemClock()
    return create_app(
        settings,
        name="directory",
        title="Millrace directory",
        routers=[*(module.router for module in AGGREGATES), insurance_plans.public, reference.router, internal.router],
        start=starter(settings, transports, verifiers, clock, ids or Uuid7(clock)),
    )
