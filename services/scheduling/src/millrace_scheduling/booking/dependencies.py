"""What endpoints of bookings are given."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from millrace_scheduling.appointment.moving import Moving
from millrace_scheduling.appointment.service import AppointmentService
from millrace_scheduling.hold.service import HoldService
from millrace_scheduling.ics.service import FeedService
from millrace_scheduling.waitlist.service import WaitlistService


@dataclass(frozen=True, slots=True)
class Booking:
    """The half of the service that takes time, wired."""

    holds: HoldService
    appointments: AppointmentService
    moving: Moving
    waitlist: WaitlistService
    feeds: FeedService


async def _booking(request: Request) -> Booking:
    booking: Booking = request.app.state.booking
    return booking


InBooking: TypeAlias = Annotated[Booking, Depends(_booking)]
