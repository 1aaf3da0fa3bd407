"""Find the times that are free for entries of the waitlist: those that anyone could hold."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from millrace_platform.database import Session
from millrace_scheduling.availability import repository as timetables
from millrace_scheduling.availability.model import StartBounds, Timetable, find_bookable_times
from millrace_scheduling.calendar.slots import OccupiedTime
from millrace_scheduling.calendar.windows import merge_windows, start_of_day
from millrace_scheduling.provider_location.model import ProviderLocation
from millrace_scheduling.reservation.model import TimeRange
from millrace_scheduling.waitlist.model import Entry
from millrace_scheduling.zones import from_minute, to_minute

_DAY = timedelta(1)


@dataclass(slots=True)
class FreeTimes:
    """The timetable and the reserved time of a provider-location on some days, as they were when they were loaded."""

    provider_location: ProviderLocation
    timetable: Timetable
    occupied: list[tuple[int, int]]

    def starts(self, entry: Entry, now: datetime) -> list[datetime]:
        """Return the free starts within the entry's days, in order."""
        zone = self.timetable.time_zone
        within = StartBounds(start_of_day(zone, entry.first_day), start_of_day(zone, entry.last_day + _DAY))
        criteria = entry.request_visit(now).criteria
        times = find_bookable_times(self.timetable, OccupiedTime(self.occupied), criteria, within, now.timestamp())
        return [from_minute(start) for start in times.starts()]

    def occupy(self, time: TimeRange) -> None:
        """Exclude the time from the free starts."""
        self.occupied = merge_windows([*self.occupied, (to_minute(time.begin), to_minute(time.end))])


async def load_free_times(
    session: Session, provider_location: ProviderLocation, first: date, last: date, now: datetime
) -> FreeTimes | None:
    """Return the free times on these local days; None if the provider-location was deleted."""
    loaded = await timetables.load_timetable(session, provider_location.id, first - _DAY, last + _DAY, now)
    if loaded is None:
        return None
    timetable, occupied = loaded
    return FreeTimes(provider_location, timetable, list(zip(occupied.begins, occupied.ends, strict=True)))
