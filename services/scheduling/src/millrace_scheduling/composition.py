"""Dependencies that most parts of scheduling share."""

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
    """Shared dependencies, created by the composition root and passed to the functions that wire services."""

    settings: SchedulingSettings
    database: Database
    units: UnitsOfWork
    clock: Clock
    ids: Ids
    calendars: CalendarService
