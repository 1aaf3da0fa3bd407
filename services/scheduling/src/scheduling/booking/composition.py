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
from scheduling.appointment import endpoints as appointments
from scheduling.appointment.moving import Moving
from scheduling.appointment.service import AppointmentService
from scheduling.availability import service as availability
from scheduling.booking.dependencies import Booking
from scheduling.booking.erasure import Erasure
from scheduling.booking.guard import Guard
from scheduling.booking.source import Addresses
from scheduling.booking.sweep import Sweep
from scheduling.composition import Parts
from scheduling.hold import endpoints as holds
from scheduling.hold.asking import Asked
from scheduling.hold.service import HoldService, Judge
from scheduling.ics import endpoints as feeds
from scheduling.ics.service import FeedService
from scheduling.waitlist import endpoints as waitlist_endpoints
from scheduling.waitlist.offering import Offering
from scheduling.waitlist.service import WaitlistService

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
