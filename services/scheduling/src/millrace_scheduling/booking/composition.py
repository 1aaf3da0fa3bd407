"""How the parts of booking go together."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import text

from millrace_platform.background import Task
from millrace_platform.database import Database
from millrace_platform.statements import Statements
from millrace_scheduling.appointment import endpoints as appointments
from millrace_scheduling.appointment.moving import Moving
from millrace_scheduling.appointment.service import AppointmentService
from millrace_scheduling.availability import service as availability
from millrace_scheduling.booking.dependencies import Booking
from millrace_scheduling.booking.erasure import Erasure
from millrace_scheduling.booking.guard import Guard
from millrace_scheduling.booking.source import Addresses
from millrace_scheduling.booking.sweep import Sweep
from millrace_scheduling.composition import Parts
from millrace_scheduling.hold import endpoints as holds
from millrace_scheduling.hold.asking import Asked
from millrace_scheduling.hold.service import HoldService, Judge
from millrace_scheduling.ics import endpoints as feeds
from millrace_scheduling.ics.service import FeedService
from millrace_scheduling.waitlist import endpoints as waitlist_endpoints
from millrace_scheduling.waitlist.offering import Offering
from millrace_scheduling.waitlist.service import WaitlistService

ROUTERS = (
    holds.direct,
    appointments.direct,
    holds.router,
    feeds.router,
    appointments.router,
    waitlist_endpoints.router,
)
"""In this order: `/feeds` isn't the id of an appointment."""


@dataclass(frozen=True, slots=True)
class Started:
    """What the application is given: services, a handler of the feed, and tasks by name."""

    booking: Booking
    addresses: Addresses
    erasure: Erasure
    tasks: Mapping[str, Task]


async def nearest(session: Statements, asked: Asked, now: datetime) -> Sequence[datetime]:
    return await availability.nearest(session, asked.place_id, asked.start, asked.wanted, now)


async def booking_of(parts: Parts, guard: Guard) -> Started:
    """Wire it."""
    settings = parts.settings
    units, ids, judge = parts.units, parts.ids, Judge(nearest)
    waitlist = WaitlistService(units, ids)
    service = AppointmentService(units, waitlist)
    booking = Booking(
        holds=HoldService(units, ids, guard.hold, judge, waitlist),
        appointments=service,
        moving=Moving(service, ids, guard.take, judge),
        waitlist=waitlist,
        feeds=FeedService(units, ids, partial(secrets.token_urlsafe, 32)),
    )
    addresses = Addresses(await _address_key(parts.database), settings.scheduling_proxy_hops)
    sweep = Sweep(units, settings.scheduling_lapse_interval)
    offering = Offering(units, ids, guard.take, settings.scheduling_waitlist_interval)
    tasks = {"sweep": sweep.run, "waitlist": offering.run}
    return Started(booking, addresses, Erasure(units, waitlist), tasks)


async def _address_key(database: Database) -> bytes:
    async with database.transaction() as session:
        key: bytes = (await session.execute(text("SELECT key FROM address_key"))).scalar_one()
    return key
