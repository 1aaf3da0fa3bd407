"""The parts that most services of scheduling are wired with."""

from dataclasses import dataclass

from millrace_feeds.clock import Clock
from millrace_platform.database import Database
from millrace_platform.ids import Ids
from millrace_platform.unit_of_work import UnitsOfWork
from millrace_scheduling.calendar.service import CalendarService
from millrace_scheduling.settings import SchedulingSettings

SOURCE = "/services/scheduling"


@dataclass(frozen=True, slots=True)
class Parts:
    """Created by the composition root, used by the functions that wire services."""

    settings: SchedulingSettings
    database: Database
    units: UnitsOfWork
    clock: Clock
    ids: Ids
    calendars: CalendarService
