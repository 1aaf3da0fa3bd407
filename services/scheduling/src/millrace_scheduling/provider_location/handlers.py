"""Consumes provider-locations from the `entities` feed."""

from collections.abc import Sequence

from millrace_feeds import handler as feeds
from millrace_feeds.transport import Record
from millrace_platform.errors import TimedOut, Unavailable
from millrace_platform.unit_of_work import UnitsOfWork
from millrace_scheduling.calendar.service import CalendarService
from millrace_scheduling.provider_location import repository
from millrace_scheduling.provider_location.wire import KEY_PREFIX, provider_location_from


def is_outage(error: BaseException) -> bool:
    """Return whether the error is an outage of the database, rather than a record that can't be applied."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_outage(inner) for inner in error.exceptions)
    return isinstance(error, Unavailable | TimedOut) or feeds.is_outage(error)


class ProviderLocationHandler:
    """Feed handler that copies provider-locations to the database; ignores all other entities."""

    def __init__(self, units: UnitsOfWork, calendars: CalendarService) -> None:
        self._units = units
        self._calendars = calendars

    async def handle(self, records: Sequence[Record]) -> None:
        """Store newer versions and delete the calendars of deleted provider-locations. Idempotent."""
        latest = {
            each.id: each
            for record in records
            if record.key.startswith(KEY_PREFIX)
            for each in [provider_location_from(record)]
        }
        if not latest:
            return
        async with self._units.begin() as work:
            for each in await repository.save_newer(work.session, list(latest.values())):
                if each.deleted:
                    await self._calendars.delete_with_provider_location(work, each)
