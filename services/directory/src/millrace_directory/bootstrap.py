"""The composition root: the only place that knows how the parts go together."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from fastapi import FastAPI

from millrace_directory.dependencies import Directory
from millrace_directory.feed import directory_envelopes
from millrace_directory.insurance_plan.repository import insurance_plans
from millrace_directory.insurance_plan.service import InsurancePlanService
from millrace_directory.insurance_plan.wire import INSURANCE_PLANS
from millrace_directory.location.repository import locations
from millrace_directory.location.service import LocationService
from millrace_directory.location.wire import LOCATIONS
from millrace_directory.practice.repository import practices
from millrace_directory.practice.service import PracticeService
from millrace_directory.practice.wire import PRACTICES
from millrace_directory.provider.repository import providers
from millrace_directory.provider.service import ProviderService
from millrace_directory.provider.wire import PROVIDERS
from millrace_directory.provider_location.repository import provider_locations
from millrace_directory.provider_location.service import ProviderLocationService
from millrace_directory.provider_location.wire import PROVIDER_LOCATIONS
from millrace_directory.reading import Reader
from millrace_directory.replay import Replay
from millrace_directory.rules import load_tables
from millrace_feeds.clock import Clock
from millrace_feeds.publisher import Publisher
from millrace_feeds.relay import Relay
from millrace_feeds.transport import Transport
from millrace_platform.application import Running
from millrace_platform.authentication import Verifier
from millrace_platform.database import Database, open_database
from millrace_platform.ids import Ids
from millrace_platform.settings import PlatformSettings
from millrace_platform.unit_of_work import UnitsOfWork

Transports = Callable[[], AbstractAsyncContextManager[Transport]]
Verifiers = Callable[[PlatformSettings, Clock], AbstractAsyncContextManager[Verifier]]


def starter(
    settings: PlatformSettings, transports: Transports, verifiers: Verifiers, clock: Clock, ids: Ids
) -> Callable[[FastAPI, AsyncExitStack], Awaitable[Running]]:
    """How the service starts: opens its database and its feed, wires the parts, names tasks and checks."""

    async def start(app: FastAPI, stack: AsyncExitStack) -> Running:
        await asyncio.to_thread(load_tables)
        database = await stack.enter_async_context(
            open_database(
                settings.directory_database_url,
                name="directory",
                pool_size=settings.database_pool_size,
                seconds=settings.database_timeout,
            )
        )
        transport = await stack.enter_async_context(transports())
        publisher = Publisher(transport=transport, stream=settings.changes_stream)
        relay = Relay(database_url=settings.directory_database_url, publisher=publisher, clock=clock)
        directory = wire(settings, database, relay, clock, ids)
        app.state.directory = directory
        app.state.verifier = await stack.enter_async_context(verifiers(settings, clock))
        # Nothing is asked of the stream: while it is away, the outbox takes the changes.
        return Running(tasks={"relay": relay.run, "replay": directory.replay.run}, checks={"database": database.check})

    return start


def wire(settings: PlatformSettings, database: Database, relay: Relay, clock: Clock, ids: Ids) -> Directory:
    envelopes = directory_envelopes(clock, ids)
    units = UnitsOfWork(database, envelopes)
    read = database.read
    return Directory(
        practices=PracticeService(units, Reader(PRACTICES, read), practices),
        locations=LocationService(units, Reader(LOCATIONS, read), locations),
        providers=ProviderService(units, Reader(PROVIDERS, read), providers),
        provider_locations=ProviderLocationService(units, Reader(PROVIDER_LOCATIONS, read), provider_locations),
        insurance_plans=InsurancePlanService(units, Reader(INSURANCE_PLANS, read), insurance_plans),
        database=database,
        relay=relay,
        replay=Replay(database, settings.directory_database_url, envelopes),
        ids=ids,
    )
