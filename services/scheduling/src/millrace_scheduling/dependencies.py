"""What endpoints are given."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from millrace_feeds.consumer import Consumer
from millrace_feeds.relay import Relay
from millrace_scheduling.availability.service import AvailabilityService
from millrace_scheduling.calendar.extension import Extension
from millrace_scheduling.composition import Parts
from millrace_scheduling.openings.service import Aging
from millrace_scheduling.openings.stream import Streams


@dataclass(frozen=True, slots=True)
class Scheduling:
    """The service, wired."""

    parts: Parts
    relay: Relay
    consumer: Consumer
    availability: AvailabilityService
    streams: Streams
    extension: Extension
    aging: Aging


async def _scheduling(request: Request) -> Scheduling:
    scheduling: Scheduling = request.app.state.scheduling
    return scheduling


InScheduling: TypeAlias = Annotated[Scheduling, Depends(_scheduling)]
