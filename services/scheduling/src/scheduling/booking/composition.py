"""How the parts of booking go together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from millrace_platform.background import Task
from millrace_platform.database import Database, Session
from scheduling.appointment import endpoints as appointments
from scheduling.appointment.moving import Moving
from scheduling.appointment.service import AppointmentService
from scheduling.availability import service as availability
from scheduling.booking.dependencies import Booking
from scheduling.booking.source import Addresses
from scheduling.booking.sweep import Sweep
from scheduling.claim.repository import Take, take
from scheduling.composition import Parts
from scheduling.hold import endpoints as holds
from scheduling.hold.asking import Asked
from scheduling.hold.service import HoldService, Judge
from scheduling.unit_of_work import Work

ROUTED = (holds, appointments)


@dataclass(frozen=True, slots=True)
class Started:
    """What the application is given: services, and tasks by name."""

    booking: Booking
    addresses: Addresses
    tasks: Mapping[str, Task]


async def nearest(session: Session, asked: Asked, now: datetime) -> Sequence[datetime]:
    return await availability.nearest(session, asked.place_id, asked.start, asked.wanted, now)


class NoOffers:
    async def taken(self, work: Work, offer_id: UUID) -> None:
        return None


async def booking_of(parts: Parts, *, guard: Take = take) -> Started:
    """Wire it. `guard` takes time: the tests of the guard have one that guards nothing."""
    settings = parts.settings
    judge = Judge(nearest)
    service = AppointmentService(parts.units, NoOffers())
    booking = Booking(
        holds=HoldService(parts.units, parts.ids, guard, judge),
        appointments=service,
        moving=Moving(service, parts.ids, guard, judge),
    )
    addresses = Addresses(await _address_key(parts.database), settings.scheduling_proxy_hops)
    sweep = Sweep(parts.units, settings.scheduling_lapse_interval)
    return Started(booking, addresses, {"sweep": sweep.run})


async def _address_key(database: Database) -> bytes:
    async with database.transaction() as session:
        key: bytes = (await session.execute(text("SELECT key FROM address_key"))).scalar_one()
    return key
