"""The composition root: the only place that wires the scheduling service."""

import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from fastapi import FastAPI

from millrace_feeds.handler import CompositeHandler
from millrace_platform.application import ServiceRuntime
from millrace_platform.audit.anchors import AnchorWriter, open_anchors
from millrace_platform.audit.key import load_audit_key
from millrace_platform.audit.repository import AuditTrail
from millrace_platform.audit.unit_of_work import UnitsOfWork
from millrace_platform.background import Task
from millrace_platform.persistence import open_relay, open_service_database
from millrace_platform.revocation import RevocationHandler, Revocations, RevocationVerifier
from millrace_platform.service import Infrastructure, Subscription
from millrace_platform.service_tokens import ServiceTokenSigner
from millrace_platform.unit_of_work import Envelopes
from millrace_scheduling.appointment.time_zones import publish_time_zone
from millrace_scheduling.availability.service import AvailabilityService
from millrace_scheduling.booking import create_booking_services, create_visit_policy
from millrace_scheduling.calendar.extension import SlotExtension
from millrace_scheduling.calendar.service import CalendarService
from millrace_scheduling.cleanup import Cleanup
from millrace_scheduling.dependencies import Scheduling
from millrace_scheduling.entity_handlers import (
    AccountHandler,
    PatientHandler,
    ProviderHandler,
    ProviderLocationHandler,
    is_outage,
)
from millrace_scheduling.hold.repository import ReservationGuard
from millrace_scheduling.openings.notifier import OpeningsNotifier
from millrace_scheduling.openings.service import OpeningsExpiry, OpeningsPublisher
from millrace_scheduling.openings.stream import OpeningsStreams
from millrace_scheduling.patient.client import Patients
from millrace_scheduling.settings import SOURCE, SchedulingSettings
from millrace_scheduling.waitlist.processor import WaitlistProcessor

APPLICATION = "scheduling"
READS_PER_SECOND = 0.5
"""Reads per second of each shard of `entities`; see decision 0016."""

OpenPatients = Callable[[str, ssl.SSLContext, ServiceTokenSigner], AbstractAsyncContextManager[Patients]]
"""Type of `open_patients`, so that tests can replace it."""


async def start(
    settings: SchedulingSettings,
    infrastructure: Infrastructure,
    app: FastAPI,
    stack: AsyncExitStack,
    *,
    guard: ReservationGuard,
    open_patients: OpenPatients,
) -> ServiceRuntime:
    """Open the database and the feeds, wire the services, and return the background tasks and health checks."""
    url, clock, ids = settings.scheduling_database_url, infrastructure.clock, infrastructure.ids
    database = await stack.enter_async_context(open_service_database(settings, url, name=APPLICATION))
    relay = await stack.enter_async_context(open_relay(settings, infrastructure, url))
    trail = AuditTrail(load_audit_key(settings, APPLICATION))
    anchors = await stack.enter_async_context(open_anchors(settings, APPLICATION, ids))
    units = UnitsOfWork(database, Envelopes(SOURCE, clock, ids), trail)
    policy = create_visit_policy(settings)
    calendars = CalendarService(units, policy, publish_time_zone)
    key = settings.scheduling_patients_keys[0].get_secret_value()
    tokens = ServiceTokenSigner(APPLICATION, "patients", key, clock)
    patients = await stack.enter_async_context(open_patients(settings.patients_url, settings.service_context(), tokens))
    app.state.booking = booking = await create_booking_services(settings, units, ids, guard, patients)
    handler = CompositeHandler(
        (
            ProviderLocationHandler(units, calendars),
            ProviderHandler(units),
            PatientHandler(units, booking.waitlist),
            AccountHandler(units),
            RevocationHandler(database, clock),
        )
    )
    subscription = Subscription(
        APPLICATION, settings.entities_stream, settings.scheduling_leases_table, READS_PER_SECOND, is_outage
    )
    consumer = await stack.enter_async_context(infrastructure.open_consumer(settings, subscription, handler))
    verifier = await stack.enter_async_context(infrastructure.open_verifier(settings, clock))
    revocations = Revocations(database, clock)
    app.state.verifier = RevocationVerifier(verifier, revocations)
    waitlist_processor = WaitlistProcessor(units, ids, guard.reserve, policy, settings.scheduling_waitlist_interval)
    notifier = OpeningsNotifier(url)
    app.state.scheduling = scheduling = Scheduling(
        units=units,
        calendars=calendars,
        relay=relay,
        consumer=consumer,
        availability=AvailabilityService(database, clock),
        streams=OpeningsStreams(database, notifier, clock, settings.scheduling_heartbeat),
        extension=SlotExtension(units, settings.scheduling_extension_interval),
        aging=OpeningsExpiry(units, settings.scheduling_aging_interval),
    )
    tasks: dict[str, Task] = {
        "sweep": Cleanup(units, settings.scheduling_lapse_interval).run,
        "waitlist": waitlist_processor.run,
        "relay": relay.run,
        "consumer": consumer.run,
        "revocations": revocations.run,
        "streams": notifier.run,
        "openings": OpeningsPublisher(units, settings.scheduling_openings_interval).run,
        "extension": scheduling.extension.run,
        "aging": scheduling.aging.run,
        "anchors": AnchorWriter(database, anchors, settings.audit_anchors_interval, clock).run,
    }
    # There is no check of the streams: while they are unavailable, the outbox takes the changes.
    return ServiceRuntime(tasks=tasks, checks={"database": database.check})
