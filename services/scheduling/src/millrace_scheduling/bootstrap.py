"""The composition root: the only place that knows how the parts go together."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI

from millrace_feeds.aws import AwsSettings
from millrace_feeds.clock import Clock
from millrace_feeds.consumer import Consumer
from millrace_feeds.handler import Handler
from millrace_feeds.publisher import Publisher
from millrace_feeds.relay import Relay
from millrace_feeds.transport import Transport
from millrace_feeds.wiring import ConsumerConfig, open_consumer, open_transport
from millrace_platform.application import Running
from millrace_platform.authentication import open_verifier
from millrace_platform.background import Task
from millrace_platform.database import Database, open_database
from millrace_platform.ids import Ids
from millrace_platform.unit_of_work import Envelopes, UnitsOfWork
from millrace_scheduling.availability.service import AvailabilityService
from millrace_scheduling.booking import wire_booking
from millrace_scheduling.calendar.extension import Extension
from millrace_scheduling.calendar.service import CalendarService
from millrace_scheduling.composition import SOURCE, Parts
from millrace_scheduling.dependencies import Scheduling
from millrace_scheduling.erasure import CompositeHandler
from millrace_scheduling.hold.repository import ReservationGuard
from millrace_scheduling.openings.hub import Hub
from millrace_scheduling.openings.service import Aging, Teller
from millrace_scheduling.openings.stream import Streams
from millrace_scheduling.place.handlers import PlaceHandler, is_away
from millrace_scheduling.settings import SchedulingSettings

APPLICATION = "scheduling"
READS_PER_SECOND = 0.5
"""Of each shard of `entities`; see decision 0016."""


@dataclass(frozen=True, slots=True)
class Feeds:
    """How the feeds are reached; tests have some in memory."""

    transport: Callable[[SchedulingSettings], AbstractAsyncContextManager[Transport]]
    consumer: Callable[[SchedulingSettings, Handler], AbstractAsyncContextManager[Consumer]]


def _aws(settings: SchedulingSettings) -> AwsSettings:
    return AwsSettings(endpoint_url=settings.aws_endpoint_url, region=settings.aws_region)


def _consumer(settings: SchedulingSettings, handler: Handler) -> AbstractAsyncContextManager[Consumer]:
    place = ConsumerConfig(
        application=APPLICATION,
        stream=settings.entities_stream,
        leases_table=settings.scheduling_leases_table,
        dead_letters_table=settings.dead_letters_table,
        worker=settings.worker,
        reads_per_second=READS_PER_SECOND,
    )
    return open_consumer(place, handler, aws=_aws(settings), is_outage=is_away)


AWS = Feeds(lambda settings: open_transport(_aws(settings)), _consumer)


def starter(
    settings: SchedulingSettings, feeds: Feeds, clock: Clock, ids: Ids, guard: ReservationGuard
) -> Callable[[FastAPI, AsyncExitStack], Awaitable[Running]]:
    """How the service starts: opens its stores, wires the parts, names tasks and checks."""

    async def start(app: FastAPI, stack: AsyncExitStack) -> Running:
        database = await stack.enter_async_context(_database(settings))
        transport = await stack.enter_async_context(feeds.transport(settings))
        publisher = Publisher(transport=transport, stream=settings.changes_stream)
        relay = Relay(database_url=settings.scheduling_database_url, publisher=publisher, clock=clock)
        parts = _parts(settings, database, clock, ids)
        booked = await wire_booking(parts, guard)
        handler = CompositeHandler((PlaceHandler(parts.units, parts.calendars), booked.erasure))
        consumer = await stack.enter_async_context(feeds.consumer(settings, handler))
        app.state.booking, app.state.addresses = booked.booking, booked.addresses
        app.state.verifier = await stack.enter_async_context(open_verifier(settings, clock))
        hub = Hub(settings.scheduling_database_url, settings.scheduling_streams)
        app.state.scheduling = scheduling = _scheduling(parts, relay, consumer, hub)
        return Running(
            tasks={**booked.tasks, **_tasks(scheduling)},
            # Nothing is asked of the streams: while they are away, the outbox takes the changes.
            checks={"database": database.check},
        )

    return start


def _scheduling(parts: Parts, relay: Relay, consumer: Consumer, hub: Hub) -> Scheduling:
    settings = parts.settings
    return Scheduling(
        parts=parts,
        relay=relay,
        consumer=consumer,
        availability=AvailabilityService(parts.database, parts.clock),
        streams=Streams(parts.database, hub, parts.clock, settings.scheduling_heartbeat),
        extension=Extension(parts.units, settings.scheduling_extension_interval),
        aging=Aging(parts.units, settings.scheduling_aging_interval),
    )


def _tasks(scheduling: Scheduling) -> dict[str, Task]:
    parts = scheduling.parts
    return {
        "relay": scheduling.relay.run,
        "consumer": scheduling.consumer.run,
        "streams": scheduling.streams.hub.run,
        "openings": Teller(parts.units, parts.settings.scheduling_openings_interval).run,
        "extension": scheduling.extension.run,
        "aging": scheduling.aging.run,
    }


@asynccontextmanager
async def _database(settings: SchedulingSettings) -> AsyncIterator[Database]:
    async with open_database(
        settings.scheduling_database_url,
        name="scheduling",
        pool_size=settings.database_pool_size,
        seconds=settings.database_timeout,
    ) as database:
        yield database


def _parts(settings: SchedulingSettings, database: Database, clock: Clock, ids: Ids) -> Parts:
    units = UnitsOfWork(database, Envelopes(SOURCE, clock, ids))
    return Parts(
        settings=settings, database=database, units=units, clock=clock, ids=ids, calendars=CalendarService(units)
    )
