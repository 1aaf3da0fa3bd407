"""Keeps the copy of provider-locations up to date from the feed."""

from collections.abc import Sequence

from millrace_feeds.handler import is_outage
from millrace_feeds.transport import Record
from millrace_platform.errors import TimedOut, Unavailable
from millrace_platform.unit_of_work import UnitsOfWork
from millrace_scheduling.calendar.service import CalendarService
from millrace_scheduling.place import repository
from millrace_scheduling.place.wire import KEY_PREFIX, place_of


def is_away(error: BaseException) -> bool:
    """Whether the database can't be used now, as opposed to a record that can't be applied."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_away(inner) for inner in error.exceptions)
    return isinstance(error, Unavailable | TimedOut) or is_outage(error)


class PlaceHandler:
    """A consumer's handler: takes provider-locations from `entities` and passes over everything else."""

    def __init__(self, units: UnitsOfWork, calendars: CalendarService) -> None:
        self._units = units
        self._calendars = calendars

    async def handle(self, records: Sequence[Record]) -> None:
        """Idempotent: a version that is there already changes nothing."""
        latest = {
            place.id: place for record in records if record.key.startswith(KEY_PREFIX) for place in [place_of(record)]
        }
        if not latest:
            return
        async with self._units.begin() as work:
            written = await repository.put(work.session, list(latest.values()))
            for place in written:
                if place.deleted:
                    await self._calendars.withdraw(work, place)
