"""The composition root: the only place that wires the directory."""

import asyncio
from contextlib import AsyncExitStack

from fastapi import FastAPI

from millrace_directory.dependencies import Directory
from millrace_directory.feed import directory_envelopes
from millrace_directory.insurance_plan.repository import INSURANCE_PLANS, insurance_plans
from millrace_directory.location.repository import LOCATIONS, locations
from millrace_directory.location.service import LocationService
from millrace_directory.practice.repository import PRACTICES, practices
from millrace_directory.practice.service import PracticeService
from millrace_directory.provider.repository import PROVIDERS, providers
from millrace_directory.provider.service import ProviderService
from millrace_directory.provider_location.repository import PROVIDER_LOCATIONS, provider_locations
from millrace_directory.provider_location.service import ProviderLocationService
from millrace_directory.reading import Reader
from millrace_directory.replay import Replay
from millrace_directory.rules import load_tables
from millrace_directory.service import Service
from millrace_directory.settings import DirectorySettings
from millrace_feeds import handler
from millrace_feeds.relay import Relay
from millrace_platform.application import ServiceRuntime
from millrace_platform.database import Database
from millrace_platform.errors import TimedOut, Unavailable
from millrace_platform.persistence import open_relay, open_service_database
from millrace_platform.revocation import RevocationHandler, Revocations, RevocationVerifier
from millrace_platform.service import Infrastructure, Subscription
from millrace_platform.unit_of_work import UnitsOfWork

APPLICATION = "directory"
READS_PER_SECOND = 0.5
"""Reads per second of each shard of `entities`; see decision 0016."""


async def start(
    settings: DirectorySettings, infrastructure: Infrastructure, app: FastAPI, stack: AsyncExitStack
) -> ServiceRuntime:
    """Open the database and the event relay, wire the services, and register background tasks and health checks."""
    await asyncio.to_thread(load_tables)
    url = settings.directory_database_url
    database = await stack.enter_async_context(open_service_database(settings, url, name=APPLICATION))
    relay = await stack.enter_async_context(open_relay(settings, infrastructure, url))
    app.state.directory = directory = wire(settings, infrastructure, database, relay)
    clock = infrastructure.clock
    subscription = Subscription(
        APPLICATION, settings.entities_stream, settings.directory_leases_table, READS_PER_SECOND, is_outage
    )
    consumer = await stack.enter_async_context(
        infrastructure.open_consumer(settings, subscription, RevocationHandler(database, clock))
    )
    verifier = await stack.enter_async_context(infrastructure.open_verifier(settings, clock))
    revocations = Revocations(database, clock)
    app.state.verifier = RevocationVerifier(verifier, revocations)
    # There is no health check of the stream: while it is unavailable, the outbox takes the changes.
    return ServiceRuntime(
        tasks={
            "relay": relay.run,
            "replay": directory.replay.run,
            "consumer": consumer.run,
            "revocations": revocations.run,
        },
        checks={"database": database.check},
    )


def is_outage(error: BaseException) -> bool:
    """Return whether the error means that the database is unavailable, not that a record can't be applied."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_outage(inner) for inner in error.exceptions)
    return isinstance(error, Unavailable | TimedOut) or handler.is_outage(error)


def wire(settings: DirectorySettings, infrastructure: Infrastructure, database: Database, relay: Relay) -> Directory:
    ids = infrastructure.ids
    envelopes = directory_envelopes(infrastructure.clock, ids)
    units = UnitsOfWork(database, envelopes)
    read = database.read
    return Directory(
        practices=PracticeService(units, Reader(PRACTICES, read), practices),
        locations=LocationService(units, Reader(LOCATIONS, read), locations),
        providers=ProviderService(units, Reader(PROVIDERS, read), providers),
        provider_locations=ProviderLocationService(units, Reader(PROVIDER_LOCATIONS, read), provider_locations),
        insurance_plans=Service(units, Reader(INSURANCE_PLANS, read), insurance_plans),
        database=database,
        relay=relay,
        replay=Replay(database, settings.directory_database_url, envelopes),
        ids=ids,
    )
