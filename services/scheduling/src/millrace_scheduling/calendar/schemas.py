"""Calendars as REST shows and takes them: hours as `HH:MM`, blocks as local times without an offset."""

from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from millrace_contracts.entities import Mode, PatientKind
from millrace_platform.resources import Body, Version
from millrace_reference.text import closest
from millrace_reference.visit_reasons import all_visit_reasons, visit_reason
from millrace_scheduling.calendar.model import (
    HORIZON_DAYS,
    VISIT_LIMIT,
    Block,
    Calendar,
    ExtraHours,
    Hours,
    VisitType,
    Written,
)
from millrace_scheduling.slot.zones import UnknownZoneError, zone

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
YEARS = range(2000, 2100)
D = TypeVar("D", date, datetime)


def _wrong(kind: str, message: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError(kind, message, {"remedy": remedy})


def _known_zone(name: str) -> str:
    try:
        zone(name)
    except UnknownZoneError:
        raise _wrong(
            "time_zone", "There is no such time zone.", "Give an IANA name such as America/New_York."
        ) from None
    return name


def _known_reason(slug: str) -> str:
    if visit_reason(slug) is None:
        near = ", ".join(closest(slug, [each.slug for each in all_visit_reasons()]))
        raise _wrong(
            "visit_reason", "There is no such visit reason.", f"GET /v1/visit-reasons lists them. Near: {near}"
        )
    return slug


def _on_wall(moment: datetime) -> datetime:
    if moment.tzinfo is not None:
        raise _wrong("local_time", "The time has an offset.", "Give the local time of the place, without an offset.")
    return _near(moment.replace(second=0, microsecond=0))


def _near(day: D) -> D:
    if day.year not in YEARS:
        raise _wrong("year", "The day is too far away.", f"Give a year from {YEARS[0]} to {YEARS[-1]}.")
    return day


TimeOfDay = Annotated[
    str,
    StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"),
    Field(description="On the wall of the place; 24:00 is the next midnight.", examples=["09:00"]),
]
LocalTime = Annotated[
    datetime, AfterValidator(_on_wall), Field(description="On the wall of the place.", examples=["2026-12-24T12:00"])
]
Day = Annotated[date, AfterValidator(_near)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Name = Annotated[
    str,
    # Control characters have no place in names.
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
Minutes = Annotated[int, Field(ge=0, le=VISIT_LIMIT)]


def _minute(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _text(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


class _Span(Body):
    opens: TimeOfDay
    closes: TimeOfDay

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if _minute(self.opens) >= _minute(self.closes):
            raise _wrong(
                "hours",
                "It closes before it opens.",
                "Split hours over midnight: until 24:00, and from 00:00 the next day.",
            )
        return self


class HoursBody(_Span):
    """Hours of every week."""

    weekday: Weekday

    def content(self) -> Hours:
        return Hours(weekday=WEEKDAYS.index(self.weekday) + 1, opens=_minute(self.opens), closes=_minute(self.closes))


class ExtraHoursBody(_Span):
    """Hours of one day, besides the weekly ones; they hold on holidays too."""

    day: Day

    def content(self) -> ExtraHours:
        return ExtraHours(day=self.day, opens=_minute(self.opens), closes=_minute(self.closes))


class BlockBody(Body):
    """Time in which nobody is seen."""

    begins: LocalTime
    ends: LocalTime

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.begins >= self.ends:
            raise _wrong("block", "It ends before it begins.", "Give a later end.")
        return self

    def content(self) -> Block:
        return Block(begins=self.begins, ends=self.ends)


class VisitTypeBody(Body):
    """A kind of visit, and for whom. Without visit reasons it serves all that no other type names."""

    id: Slug = Field(examples=["new-patient"])
    name: Name
    minutes: Annotated[int, Field(ge=5, le=VISIT_LIMIT)]
    visit_reasons: Annotated[tuple[Annotated[str, AfterValidator(_known_reason)], ...], Field(max_length=100)] = ()
    patients: Annotated[list[PatientKind], Field(min_length=1, max_length=2, default=["existing", "new"])]
    modes: Annotated[list[Mode], Field(min_length=1, max_length=2, default=["in_person"])]
    buffer_before: Minutes = 0
    buffer_after: Minutes = 0

    def content(self) -> VisitType:
        fields = self.model_dump()
        ordered = {name: tuple(sorted(set(fields[name]))) for name in ("visit_reasons", "patients", "modes")}
        return VisitType(**{**fields, **ordered})


class CalendarBody(Body):
    """A whole calendar. What is booked stays, whatever the calendar becomes."""

    read_only: ClassVar[frozenset[str]] = frozenset({"provider_location_id", "npi", "version"})

    time_zone: Annotated[str, AfterValidator(_known_zone)] | None = Field(
        None, description="IANA name; the place's own where it is absent.", examples=["America/New_York"]
    )
    weekly_hours: Annotated[tuple[HoursBody, ...], Field(max_length=70)]
    visit_types: Annotated[list[VisitTypeBody], Field(min_length=1, max_length=50)]
    grid_minutes: Annotated[int, Field(ge=5, le=120, description="Between two times that are offered.")] = 15
    minimum_notice: Annotated[
        int, Field(ge=0, le=43_200, description="Minutes before a time, until which it can be booked.")
    ] = 0
    horizon_days: Annotated[int, Field(ge=1, le=120, description="Days that can be booked, today included.")] = (
        HORIZON_DAYS
    )
    cancellation_cutoff: Annotated[
        int, Field(ge=0, le=43_200, description="Minutes before a visit, until which a patient can cancel or move it.")
    ] = 0
    blocks: Annotated[tuple[BlockBody, ...], Field(max_length=500)] = ()
    extra_hours: Annotated[tuple[ExtraHoursBody, ...], Field(max_length=500)] = ()
    holidays: Annotated[tuple[Day, ...], Field(max_length=200, description="Days without weekly hours.")] = ()
    federal_holidays: bool = Field(False, description="Keep the federal holidays of the United States too.")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        ids = [each.id for each in self.visit_types]
        if len(set(ids)) < len(ids):
            raise _wrong("visit_types", "Two visit types have one id.", "Give each an id of its own.")
        return self

    def content(self, time_zone: str) -> Calendar:
        """The calendar; `time_zone` is the place's own."""
        return Calendar(
            time_zone=self.time_zone or time_zone,
            weekly_hours=tuple(each.content() for each in self.weekly_hours),
            visit_types=tuple(each.content() for each in self.visit_types),
            grid_minutes=self.grid_minutes,
            minimum_notice=self.minimum_notice,
            horizon_days=self.horizon_days,
            cancellation_cutoff=self.cancellation_cutoff,
            blocks=tuple(each.content() for each in self.blocks),
            extra_hours=tuple(each.content() for each in self.extra_hours),
            holidays=tuple(sorted(set(self.holidays))),
            federal_holidays=self.federal_holidays,
        )


class CalendarResource(CalendarBody):
    """A calendar as it stands."""

    provider_location_id: UUID
    npi: str
    version: Version

    @classmethod
    def of(cls, written: Written) -> "CalendarResource":
        """What is stored is valid: it isn't checked again."""
        calendar = written.calendar
        return CalendarResource.model_construct(
            provider_location_id=written.place.id,
            npi=written.place.npi,
            version=written.version,
            time_zone=calendar.time_zone,
            weekly_hours=tuple(
                HoursBody(weekday=_weekday(each), opens=_text(each.opens), closes=_text(each.closes))
                for each in calendar.weekly_hours
            ),
            visit_types=[_visit_type(each) for each in calendar.visit_types],
            grid_minutes=calendar.grid_minutes,
            minimum_notice=calendar.minimum_notice,
            horizon_days=calendar.horizon_days,
            cancellation_cutoff=calendar.cancellation_cutoff,
            blocks=tuple(BlockBody(begins=each.begins, ends=each.ends) for each in calendar.blocks),
            extra_hours=tuple(
                ExtraHoursBody(day=each.day, opens=_text(each.opens), closes=_text(each.closes))
                for each in calendar.extra_hours
            ),
            holidays=calendar.holidays,
            federal_holidays=calendar.federal_holidays,
        )


def _weekday(hours: Hours) -> Any:
    return WEEKDAYS[hours.weekday - 1]


def _visit_type(visit_type: VisitType) -> VisitTypeBody:
    return VisitTypeBody.model_construct(
        id=visit_type.id,
        name=visit_type.name,
        minutes=visit_type.minutes,
        visit_reasons=visit_type.visit_reasons,
        patients=list(visit_type.patients),
        modes=list(visit_type.modes),
        buffer_before=visit_type.buffer_before,
        buffer_after=visit_type.buffer_after,
    )
