"""Wiring of the packages that book time: holds, appointments, the waitlist and iCalendar feeds."""

from dataclasses import dataclass

from sqlalchemy import select

from millrace_platform.audit.unit_of_work import UnitsOfWork
from millrace_platform.ids import Ids
from millrace_scheduling.appointment import endpoints as appointments
from millrace_scheduling.appointment.rescheduling import ReschedulingService
from millrace_scheduling.appointment.service import AppointmentService
from millrace_scheduling.calendar_feed import endpoints as feeds
from millrace_scheduling.calendar_feed.service import CalendarFeedService
from millrace_scheduling.client_address import AddressHasher
from millrace_scheduling.hold import endpoints as holds
from millrace_scheduling.hold.repository import ReservationGuard
from millrace_scheduling.hold.service import HoldService
from millrace_scheduling.patient.client import Patients
from millrace_scheduling.patient.service import PermissionService
from millrace_scheduling.settings import SchedulingSettings
from millrace_scheduling.tables import address_key
from millrace_scheduling.visit_limits import VisitLimits, VisitPolicy
from millrace_scheduling.waitlist import endpoints as waitlist_endpoints
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
    """Services for the endpoints of holds, appointments, waitlist and iCalendar feeds, and the hasher of addresses."""

    holds: HoldService
    appointments: AppointmentService
    rescheduling: ReschedulingService
    waitlist: WaitlistService
    feeds: CalendarFeedService
    addresses: AddressHasher


def create_visit_policy(settings: SchedulingSettings) -> VisitPolicy:
    """Return the limits of upcoming visits that the settings state."""
    return VisitPolicy(
        usual=VisitLimits(settings.scheduling_visits_per_provider, settings.scheduling_visits),
        first_day=VisitLimits(settings.scheduling_first_day_visits_per_provider, settings.scheduling_first_day_visits),
    )


async def create_booking_services(
    settings: SchedulingSettings, units: UnitsOfWork, ids: Ids, guard: ReservationGuard, patients: Patients
) -> BookingServices:
    """Create the services; read the key that hides client addresses from the database."""
    async with units.database.read() as session:
        key: bytes = (await session.execute(select(address_key.c.key))).scalar_one()
    permissions, policy = PermissionService(patients), create_visit_policy(settings)
    waitlist = WaitlistService(units, ids, permissions)
    appointment_service = AppointmentService(units, waitlist, permissions, policy)
    return BookingServices(
        holds=HoldService(units, ids, guard.reserve_hold, waitlist, permissions, policy),
        appointments=appointment_service,
        rescheduling=ReschedulingService(appointment_service, ids, guard.reserve),
        waitlist=waitlist,
        feeds=CalendarFeedService(units, ids, settings.public_url),
        addresses=AddressHasher(key, settings.proxy_hops),
    )
