"""Calendars and their visit types. Plain data, stored in the database as JSON of the same shape. Pure.

Days and hours are local to `time_zone`. Times of day are minutes since midnight; 1440 is the next midnight. Fields with
a default may be missing in stored documents.
"""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

import msgspec

from millrace_contracts.entities import Mode, PatientKind
from millrace_scheduling.provider_location.model import ProviderLocation

MINUTES_PER_DAY = 1440
DEFAULT_HORIZON_DAYS = 60
MAX_VISIT_MINUTES = 720
"""The longest visit, and the longest buffer before or after one."""


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """Opening hours of every week; Monday is 1. Overnight hours are split: until 1440, and from 0 on the next day."""

    weekday: int
    opens: int
    closes: int


class ExtraHours(msgspec.Struct, frozen=True, kw_only=True):
    """Opening hours of one day in addition to the weekly ones; they apply on holidays too."""

    day: date
    opens: int
    closes: int


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Local time from `begins` until before `ends`, without a time zone, in which the provider sees no patients."""

    begins: datetime
    ends: datetime


class VisitType(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of visit. Without `visit_reasons` it serves every reason.

    Buffers are minutes before and after the visit in which the provider has no other one; they may be outside of hours.
    """

    id: str
    name: str
    minutes: int
    visit_reasons: tuple[str, ...] = ()
    patients: tuple[PatientKind, ...] = ("existing", "new")
    modes: tuple[Mode, ...] = ("in_person",)
    buffer_before: int = 0
    buffer_after: int = 0


class Calendar(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The calendar of a provider at a location.

    Slots are `grid_minutes` apart, counted from each opening. Open time is the weekly hours except on holidays, plus
    the extra hours, minus the blocks. Slots can be booked from `minimum_notice` minutes from now through `horizon_days`
    days including today; patients can cancel until `cancellation_cutoff` minutes before the visit, and have up to
    `visits_per_patient` upcoming visits, on their account's first day `first_day_visits_per_patient`; None is the
    platform's limit. With `follows_location`, `time_zone` is that of the location and changes with it.
    """

    time_zone: str
    follows_location: bool = False
    weekly_hours: tuple[Hours, ...]
    visit_types: tuple[VisitType, ...]
    grid_minutes: int = 15
    minimum_notice: int = 0
    horizon_days: int = DEFAULT_HORIZON_DAYS
    cancellation_cutoff: int = 0
    visits_per_patient: int | None = None
    first_day_visits_per_patient: int | None = None
    blocks: tuple[Block, ...] = ()
    extra_hours: tuple[ExtraHours, ...] = ()
    holidays: tuple[date, ...] = ()
    federal_holidays: bool = False

    @cached_property
    def shortest_visit(self) -> int:
        """Return the length of the shortest visit in minutes."""
        return min(each.minutes for each in self.visit_types)

    @cached_property
    def holiday_set(self) -> frozenset[date]:
        """Return `holidays` as a set, for fast lookups."""
        return frozenset(self.holidays)


@dataclass(frozen=True, slots=True)
class VersionedCalendar:
    """The calendar of a provider-location at a version."""

    provider_location: ProviderLocation
    version: int
    calendar: Calendar
