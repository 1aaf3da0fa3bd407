"""What a calendar says. Plain data: the same shape lies in the database as JSON.

Days and hours are those of a clock on the wall in `time_zone`; minutes of a day count from its midnight, 1440 is the
next one. Fields with a default may be absent from what was stored before they existed.
"""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

import msgspec

from millrace_contracts.entities import Mode, PatientKind
from millrace_scheduling.place.model import Place

DAY = 1440
"""Minutes that a clock on the wall shows in a day."""
HORIZON_DAYS = 60
VISIT_LIMIT = 720
"""Minutes that a visit may last, and each of its buffers."""


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """Hours of every week; Monday is 1. Overnight hours are two: until 1440, and from 0 on the next day."""

    weekday: int
    opens: int
    closes: int


class ExtraHours(msgspec.Struct, frozen=True, kw_only=True):
    """Hours of one day, besides the weekly ones; they hold on holidays too."""

    day: date
    opens: int
    closes: int


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Time in which nobody is seen, whatever the hours are. Both are times on the wall, without a zone."""

    begins: datetime
    ends: datetime


class VisitType(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of visit. No `visit_reasons` stands for all. Buffers keep the provider's time free, in or out of hours."""

    id: str
    name: str
    minutes: int
    visit_reasons: tuple[str, ...] = ()
    patients: tuple[PatientKind, ...] = ("existing", "new")
    modes: tuple[Mode, ...] = ("in_person",)
    buffer_before: int = 0
    buffer_after: int = 0


class Calendar(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One provider's calendar at one place.

    A day's hours are cut into starts `grid_minutes` apart, counted from each opening. Open is what lies in weekly hours
    unless it is a holiday, or in extra hours, and in no block. Times can be booked from `minimum_notice` minutes on,
    through `horizon_days` days, today included; patients can cancel until `cancellation_cutoff` minutes before.
    """

    time_zone: str
    weekly_hours: tuple[Hours, ...]
    visit_types: tuple[VisitType, ...]
    grid_minutes: int = 15
    minimum_notice: int = 0
    horizon_days: int = HORIZON_DAYS
    cancellation_cutoff: int = 0
    blocks: tuple[Block, ...] = ()
    extra_hours: tuple[ExtraHours, ...] = ()
    holidays: tuple[date, ...] = ()
    federal_holidays: bool = False

    @cached_property
    def shortest(self) -> int:
        """Minutes of the shortest visit."""
        return min(each.minutes for each in self.visit_types)

    @cached_property
    def closed(self) -> frozenset[date]:
        """The holidays that are named one by one."""
        return frozenset(self.holidays)


@dataclass(frozen=True, slots=True)
class Written:
    """A calendar as it stands at a version."""

    place: Place
    version: int
    calendar: Calendar


def visit_type_for(calendar: Calendar, visit_reason: str | None, patient: PatientKind, mode: Mode) -> VisitType | None:
    """The visit type of such a visit: one that names the reason before one for all, then the first in the calendar.

    Without a reason it is the first for such a patient in this mode.
    """
    found: VisitType | None = None
    for each in calendar.visit_types:
        if patient not in each.patients or mode not in each.modes:
            continue
        if visit_reason is None or visit_reason in each.visit_reasons:
            return each
        if not each.visit_reasons and found is None:
            found = each
    return found
