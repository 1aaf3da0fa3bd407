"""The composition root: the only place that wires the scheduling service."""

from contextlib import AsyncExitStack

from fastapi import FastAPI

from millrace_feeds.clock import Clock
from millrace_feeds.consumer import Consumer
from millrace_feeds.relay import Relay
from millrace_platform.application import ServiceRuntime
from millrace_platform.background import Task
from millrace_platform.database import Database
from millrace_platform.ids import Ids
from millrace_platform.persistence import open_relay, open_service_database
from millrace_platform.service import Infrastructure, Subscription
from millrace_platform.unit_of_work import Envelopes, UnitsOfWork
from millrace_scheduling.availability.service import AvailabilityService
from millrace_scheduling.booking import wire_booking
from millrace_scheduling.calendar.extension import SlotExtension
from millrace_scheduling.calendar.service import CalendarService
from millrace_scheduling.composition import SOURCE, Parts
from millrace_scheduling.dependencies import Scheduling
from millrace_scheduling.erasure import CompositeHandler
from millrace_scheduling.hold.repository import ReservationGuard
from millrace_scheduling.openings.notifier import OpeningsNotifier
from millrace_scheduling.openings.service import OpeningsExpiry, OpeningsPublisher
from millrace_scheduling.openings.stream import OpeningsStreams
from millrace_scheduling.provider_location.handlers import ProviderLocationHandler, is_outage
from millrace_scheduling.settings import SchedulingSettings

APPLICATION = "scheduling"
READS_PER_SECOND = 0.5
"""Reads per second of each shard of `entities`; see decision 0016."""


async def start(
    settings: SchedulingSettings,
    infrastructure: Infrastructure,
    guard: ReservationGuard,
    app: FastAPI,
    stack: AsyncExitStack,
) -> ServiceRuntime:
    """Open the database and the feeds, wire the services, and name tasks and checks."""
    url, clock = settings.scheduling_database_url, infrastructure.clock
    database = await stack.enter_async_context(open_service_database(settings, url, name=APPLICATION))
    relay = await stack.enter_async_context(open_relay(settings, infrastructure, url))
    parts = _parts(settings, database, clock, infrastructure.ids)
    booked = await wire_booking(parts, guard)
    handler = CompositeHandler((ProviderLocationHandler(parts.units, parts.calendars), booked.erasure))
    subscription = Subscription(
        APPLICATION, settings.entities_stream, settings.scheduling_leases_table, READS_PER_SECOND, is_outage
    )
    consumer = await stack.enter_async_context(infrastructure.open_consumer(settings, subscription, handler))
    app.state.booking, app.state.addresses = booked.booking, booked.addresses
    app.state.verifier = await stack.enter_async_context(infrastructure.open_verifier(settings, clock))
    app.state.scheduling = scheduling = _scheduling(
        parts, relay, consumer, OpeningsNotifier(url, settings.scheduling_streams)
    )
    # There is no check of the streams: while they are unavailable, the outbox takes the changes.
    return ServiceRuntime(tasks={**booked.tasks, **_tasks(scheduling)}, checks={"database": database.check})


def _scheduling(parts: Parts, relay: Relay, consumer: Consumer, notifier: OpeningsNotifier) -> Scheduling:
    settings = parts.settings
    return Scheduling(
        parts=parts,
        relay=relay,
        consumer=consumer,
        availability=AvailabilityService(parts.database, parts.clock),
        streams=OpeningsStreams(parts.database, notifier, parts.clock, settings.scheduling_heartbeat),
        extension=SlotExtension(parts.units, settings.scheduling_extension_interval),
        aging=OpeningsExpiry(parts.units, settings.scheduling_aging_interval),
    )


def _tasks(scheduling: Scheduling) -> dict[str, Task]:
    parts = scheduling.parts
    return {
        "relay": scheduling.relay.run,
        "consumer": scheduling.consumer.run,
        "streams": scheduling.streams.notifier.run,
        "openings": OpeningsPublisher(parts.units, parts.settings.scheduling_openings_interval).run,
        "extension": scheduling.extension.run,
        "aging": scheduling.aging.run,
    }


def _parts(settings: SchedulingSettings, database: Database, clock: Clock, ids: Ids) -> Parts:
    units = UnitsOfWork(database, Envelopes(SOURCE, clock, ids))
    return Parts(
        settings=settings, database=database, units=units, clock=clock, ids=ids, calendars=CalendarService(units)
    )
