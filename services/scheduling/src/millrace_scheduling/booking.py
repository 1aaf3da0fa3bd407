"""Wiring of the packages that book time: holds, appointments, the waitlist and iCalendar feeds."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import select

from millrace_platform.background import Task
from millrace_platform.statements import Statements
from millrace_scheduling.appointment import endpoints as appointments
from millrace_scheduling.appointment.rescheduling import ReschedulingService
from millrace_scheduling.appointment.service import AppointmentService
from millrace_scheduling.availability import service as availability
from millrace_scheduling.calendar_feed import endpoints as feeds
from millrace_scheduling.calendar_feed.service import CalendarFeedService
from millrace_scheduling.cleanup import Cleanup
from millrace_scheduling.client_address import AddressHasher
from millrace_scheduling.composition import Parts
from millrace_scheduling.erasure import PatientErasureHandler
from millrace_scheduling.hold import endpoints as holds
from millrace_scheduling.hold.repository import ReservationGuard
from millrace_scheduling.hold.service import HoldService, SlotResolver
from millrace_scheduling.hold.visit_request import VisitRequest
from millrace_scheduling.tables import address_key
from millrace_scheduling.waitlist import endpoints as waitlist_endpoints
from millrace_scheduling.waitlist.processor import WaitlistProcessor
from millrace_scheduling.waitlist.service import WaitlistService

ROUTERS = (
    holds.direct,
    appointments.direct,
    holds.router,
    feeds.router,
    appointments.router,
    waitlist_endpoints.router,
)
"""The router of `feeds` precedes that of `appointments`: else `/feeds` would match as an appointment's id."""


@dataclass(frozen=True, slots=True)
class BookingServices:
    """Services for the endpoints of holds, appointments, waitlist and iCalendar feeds."""

    holds: HoldService
    appointments: AppointmentService
    rescheduling: ReschedulingService
    waitlist: WaitlistService
    feeds: CalendarFeedService


@dataclass(frozen=True, slots=True)
class BookingParts:
    """Result of `wire_booking`: services, the handler of the `entities` feed, and background tasks by name."""

    booking: BookingServices
    addresses: AddressHasher
    erasure: PatientErasureHandler
    tasks: Mapping[str, Task]


async def wire_booking(parts: Parts, guard: ReservationGuard) -> BookingParts:
    """Create services, handler and tasks; read the key that hides client addresses from the database."""
    settings, units, ids = parts.settings, parts.units, parts.ids
    resolver, waitlist = SlotResolver(_find_alternatives), WaitlistService(units, ids)
    appointment_service = AppointmentService(units, waitlist)
    async with parts.database.read() as session:
        key: bytes = (await session.execute(select(address_key.c.key))).scalar_one()
    cleanup = Cleanup(units, settings.scheduling_lapse_interval)
    processor = WaitlistProcessor(units, ids, guard.reserve, settings.scheduling_waitlist_interval)
    return BookingParts(
        booking=BookingServices(
            holds=HoldService(units, ids, guard.reserve_hold, resolver, waitlist),
            appointments=appointment_service,
            rescheduling=ReschedulingService(appointment_service, ids, guard.reserve, resolver),
            waitlist=waitlist,
            feeds=CalendarFeedService(units, ids, partial(secrets.token_urlsafe, 32)),
        ),
        addresses=AddressHasher(key, settings.scheduling_proxy_hops),
        erasure=PatientErasureHandler(units, waitlist),
        tasks={"sweep": cleanup.run, "waitlist": processor.run},
    )


async def _find_alternatives(session: Statements, request: VisitRequest, now: datetime) -> Sequence[datetime]:
    return await availability.find_nearest(session, request.provider_location_id, request.start, request.criteria, now)
