"""REST resources of calendars: hours as `HH:MM`, blocks as local times without an offset."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

import msgspec
from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from millrace_contracts.entities import Mode, PatientKind
from millrace_platform.patterns import SINGLE_LINE, SLUG, Pattern
from millrace_platform.resources import Body, Day, Version, require_near
from millrace_reference.text import find_closest
from millrace_reference.visit_reasons import all_visit_reasons, find_visit_reason
from millrace_scheduling.calendar.model import (
    DEFAULT_HORIZON_DAYS,
    MAX_VISIT_MINUTES,
    Block,
    Calendar,
    ExtraHours,
    Hours,
    VersionedCalendar,
    VisitType,
)
from millrace_scheduling.zones import UnknownTimeZoneError, get_zone

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def _invalid(kind: str, message: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError(kind, message, {"remedy": remedy})


def _require_time_zone(name: str) -> str:
    try:
        get_zone(name)
    except UnknownTimeZoneError:
        raise _invalid("time_zone", "Unknown time zone.", "Give an IANA name such as America/New_York.") from None
    return name


def _require_visit_reason(slug: str) -> str:
    if find_visit_reason(slug) is None:
        near = find_closest(slug, [each.slug for each in all_visit_reasons()])
        similar = f" Similar: {', '.join(near)}." if near else ""
        raise _invalid("visit_reason", "Unknown visit reason.", f"GET /v1/visit-reasons lists them.{similar}")
    return slug


def _require_local_time(moment: datetime) -> datetime:
    if moment.tzinfo is not None:
        raise _invalid(
            "local_time", "The time has an offset.", "Give the local time at the location, without an offset."
        )
    return require_near(moment.replace(second=0, microsecond=0))


TimeOfDay = Annotated[
    str,
    Pattern(r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$", "Give hours and minutes from 00:00 to 24:00, such as 09:30."),
    Field(description="Local time at the location; 24:00 is the next midnight.", examples=["09:00"]),
]
LocalTime = Annotated[
    datetime,
    AfterValidator(_require_local_time),
    Field(description="Local time at the location.", examples=["2026-12-24T12:00"]),
]
VisitReasonSlug = Annotated[str, AfterValidator(_require_visit_reason)]
Slug = Annotated[str, StringConstraints(max_length=60), SLUG]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    SINGLE_LINE,
]
Minutes = Annotated[int, Field(ge=0, le=MAX_VISIT_MINUTES)]


def _parse_minute(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _format_minute(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


class _OpeningHours(Body):
    opens: TimeOfDay
    closes: TimeOfDay

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if _parse_minute(self.opens) >= _parse_minute(self.closes):
            raise _invalid(
                "hours",
                "The closing time isn't after the opening time.",
                "Split hours that pass midnight: until 24:00, and from 00:00 on the next day.",
            )
        return self


class HoursBody(_OpeningHours):
    """Opening hours of every week."""

    weekday: Weekday

    def to_model(self) -> Hours:
        return Hours(
            weekday=WEEKDAYS.index(self.weekday) + 1, opens=_parse_minute(self.opens), closes=_parse_minute(self.closes)
        )


class ExtraHoursBody(_OpeningHours):
    """Opening hours of one day in addition to the weekly ones; they apply on holidays too."""

    day: Day

    def to_model(self) -> ExtraHours:
        return ExtraHours(day=self.day, opens=_parse_minute(self.opens), closes=_parse_minute(self.closes))


class BlockBody(Body):
    """Time in which the provider sees no patients."""

    begins: LocalTime
    ends: LocalTime

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.begins >= self.ends:
            raise _invalid("block", "The end isn't after the beginning.", "Give a later end.")
        return self

    def to_model(self) -> Block:
        return Block(begins=self.begins, ends=self.ends)


class VisitTypeBody(Body):
    """A kind of visit. Without visit reasons it serves every reason that no other visit type lists."""

    id: Slug = Field(examples=["new-patient"])
    name: Name
    minutes: Annotated[int, Field(ge=5, le=MAX_VISIT_MINUTES)]
    visit_reasons: Annotated[tuple[VisitReasonSlug, ...], Field(max_length=100)] = ()
    patients: Annotated[list[PatientKind], Field(min_length=1, max_length=2, default=["existing", "new"])]
    modes: Annotated[list[Mode], Field(min_length=1, max_length=2, default=["in_person"])]
    buffer_before: Minutes = 0
    buffer_after: Minutes = 0

    def to_model(self) -> VisitType:
        fields = self.model_dump()
        ordered = {name: tuple(sorted(set(fields[name]))) for name in ("visit_reasons", "patients", "modes")}
        return VisitType(**{**fields, **ordered})


class CalendarBody(Body):
    """A whole calendar. Changes don't affect existing bookings."""

    read_only: ClassVar[frozenset[str]] = frozenset({"provider_location_id", "npi", "version", "local_time_zone"})

    time_zone: Annotated[str, AfterValidator(_require_time_zone)] | None = Field(
        None, description="IANA name; null to follow the time zone of the location.", examples=["America/New_York"]
    )
    weekly_hours: Annotated[tuple[HoursBody, ...], Field(max_length=70)]
    visit_types: Annotated[list[VisitTypeBody], Field(min_length=1, max_length=50)]
    grid_minutes: Annotated[int, Field(ge=5, le=120, description="Minutes between two offered times.")] = 15
    minimum_notice: Annotated[
        int, Field(ge=0, le=43_200, description="How many minutes before its start a time can be booked last.")
    ] = 0
    horizon_days: Annotated[int, Field(ge=1, le=120, description="Days that can be booked, including today.")] = (
        DEFAULT_HORIZON_DAYS
    )
    cancellation_cutoff: Annotated[
        int,
        Field(
            ge=0, le=43_200, description="How many minutes before a visit the patient can cancel or reschedule it last."
        ),
    ] = 0
    visits_per_patient: int | None = Field(
        None, ge=1, description="Upcoming visits that a patient's account can have; null for the platform's limit."
    )
    first_day_visits_per_patient: int | None = Field(
        None, ge=1, description="The same on the account's first day; null for the platform's limit."
    )
    blocks: Annotated[tuple[BlockBody, ...], Field(max_length=500)] = ()
    extra_hours: Annotated[tuple[ExtraHoursBody, ...], Field(max_length=500)] = ()
    holidays: Annotated[
        tuple[Day, ...], Field(max_length=200, description="Days on which the weekly hours don't apply.")
    ] = ()
    federal_holidays: bool = Field(False, description="Also close on federal holidays of the United States.")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        ids = [each.id for each in self.visit_types]
        if len(set(ids)) < len(ids):
            raise _invalid("visit_types", "Two visit types have the same id.", "Give each its own id.")
        return self

    def to_model(self, location_time_zone: str) -> Calendar:
        """Return the calendar, which follows the time zone of its location if the body has none."""
        converted = {
            name: tuple(each.to_model() for each in getattr(self, name))
            for name in ("weekly_hours", "visit_types", "blocks", "extra_hours")
        }
        zone = {"time_zone": self.time_zone or location_time_zone, "follows_location": self.time_zone is None}
        return Calendar(**{**dict(self), **converted, **zone, "holidays": tuple(sorted(set(self.holidays)))})


class CalendarResource(CalendarBody):
    """A calendar at a version."""

    provider_location_id: UUID
    npi: str
    version: Version
    local_time_zone: str = Field(
        description="IANA name of the time zone in which all times of the calendar are.", examples=["America/New_York"]
    )

    @classmethod
    def of(cls, versioned: VersionedCalendar) -> "CalendarResource":
        """Convert a stored calendar to its resource without validating it again."""
        calendar = versioned.calendar
        return CalendarResource.model_construct(
            provider_location_id=versioned.provider_location.id,
            npi=versioned.provider_location.npi,
            version=versioned.version,
            time_zone=None if calendar.follows_location else calendar.time_zone,
            local_time_zone=calendar.time_zone,
            weekly_hours=tuple(
                HoursBody(weekday=_weekday(each), opens=_format_minute(each.opens), closes=_format_minute(each.closes))
                for each in calendar.weekly_hours
            ),
            visit_types=[_visit_type(each) for each in calendar.visit_types],
            grid_minutes=calendar.grid_minutes,
            minimum_notice=calendar.minimum_notice,
            horizon_days=calendar.horizon_days,
            cancellation_cutoff=calendar.cancellation_cutoff,
            visits_per_patient=calendar.visits_per_patient,
            first_day_visits_per_patient=calendar.first_day_visits_per_patient,
            blocks=tuple(BlockBody(begins=each.begins, ends=each.ends) for each in calendar.blocks),
            extra_hours=tuple(
                ExtraHoursBody(day=each.day, opens=_format_minute(each.opens), closes=_format_minute(each.closes))
                for each in calendar.extra_hours
            ),
            holidays=calendar.holidays,
            federal_holidays=calendar.federal_holidays,
        )


def _weekday(hours: Hours) -> Any:
    return WEEKDAYS[hours.weekday - 1]


def _visit_type(visit_type: VisitType) -> VisitTypeBody:
    lists = {"patients": list(visit_type.patients), "modes": list(visit_type.modes)}
    return VisitTypeBody.model_construct(**{**msgspec.structs.asdict(visit_type), **lists})
