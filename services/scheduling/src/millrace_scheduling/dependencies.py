"""Dependencies of endpoints."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from millrace_feeds.consumer import Consumer
from millrace_feeds.relay import Relay
from millrace_platform.unit_of_work import UnitsOfWork
from millrace_scheduling.availability.service import AvailabilityService
from millrace_scheduling.calendar.extension import SlotExtension
from millrace_scheduling.calendar.service import CalendarService
from millrace_scheduling.openings.service import OpeningsExpiry
from millrace_scheduling.openings.stream import OpeningsStreams


@dataclass(frozen=True, slots=True)
class Scheduling:
    """Dependencies of the endpoints other than those for bookings."""

    units: UnitsOfWork
    calendars: CalendarService
    relay: Relay
    consumer: Consumer
    availability: AvailabilityService
    streams: OpeningsStreams
    extension: SlotExtension
    aging: OpeningsExpiry


async def _scheduling(request: Request) -> Scheduling:
    scheduling: Scheduling = request.app.state.scheduling
    return scheduling


InScheduling: TypeAlias = Annotated[Scheduling, Depends(_scheduling)]
