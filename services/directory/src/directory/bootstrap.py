"""The composition root: the only place that knows how the parts go together."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from fastapi import FastAPI

from directory.dependencies import Directory
from directory.feed import directory_envelopes
from directory.insurance_plan.repository import insurance_plans
from directory.insurance_plan.service import InsurancePlanService
from directory.insurance_plan.wire import INSURANCE_PLANS
from directory.location.repository import locations
from directory.location.service import LocationService
from directory.location.wire import LOCATIONS
from directory.practice.repository import practices
from directory.practice.service import PracticeService
from directory.practice.wire import PRACTICES
from directory.provider.repository import providers
from directory.provider.service import ProviderService
from directory.provider.wire import PROVIDERS
from directory.provider_location.repository import provider_locations
from directory.provider_location.service import ProviderLocationService
from directory.provider_location.wire import PROVIDER_LOCATIONS
from directory.reading import Reader
from directory.replay import Replay
from directory.rules import load_tables
from directory.unit_of_work import Units
from millrace_feeds.publisher import Publisher
from millrace_feeds.relay import Relay
from millrace_feeds.transport import Transport
from millrace_platform.application import Running
from millrace_platform.authentication import Verifier
from millrace_platform.clock import Clock
from millrace_platform.database import Database, open_database
from millrace_platform.ids import Ids
from millrace_platform.settings import PlatformSettings

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
    units = Units(database, envelopes)
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
