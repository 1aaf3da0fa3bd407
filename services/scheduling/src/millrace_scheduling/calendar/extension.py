"""Extends slots day by day, so that they reach the horizon of each calendar."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from millrace_platform.errors import Problem
from millrace_platform.rounds import in_rounds
from millrace_platform.unit_of_work import UnitsOfWork
from millrace_scheduling.calendar import repository
from millrace_scheduling.calendar.repository import Stored
from millrace_scheduling.openings.repository import mark_places

AT_ONCE = 100
"""Calendars of one transaction."""


@dataclass(frozen=True, slots=True)
class Extension:
    """Any number may run at once: they pass each other's calendars by."""

    units: UnitsOfWork
    interval: float

    async def run(self) -> None:
        """See `in_rounds`."""
        await in_rounds(self.once, name="extension", pause=self.interval, passing=Problem)

    async def once(self) -> int:
        """One round; how many calendars were extended."""
        extended = 0
        while (count := await self._batch()) > 0:
            extended += count
        async with self.units.begin() as work:
            await repository.drop_days_before(work.session, work.now.date() - timedelta(1))
        return extended

    async def _batch(self) -> int:
        async with self.units.begin() as work:
            today = work.now.date()
            behind = await repository.behind_horizon(work.session, today, AT_ONCE)
            if behind:
                await repository.write_slots(work.session, await asyncio.to_thread(_missing, behind, today))
                ids = [each.place_id for each in behind]
                await repository.reached(work.session, ids, today)
                first = min(each.materialized_to or today for each in behind)
                await mark_places(
                    work.session, ids, datetime.combine(first, time(), UTC) - timedelta(1), today_end(behind, today)
                )
            return len(behind)


def _missing(behind: Sequence[Stored], today: date) -> list[tuple[UUID, date, list[int]]]:
    return [
        row
        for each in behind
        if each.calendar is not None
        for row in repository.rows_of(
            each.place_id, each.calendar, each.materialized_to or today, repository.reach(each.calendar, today)
        )
    ]


def today_end(behind: Sequence[Stored], today: date) -> datetime:
    """The end of the time that the slots of all these reach into."""
    days = max(repository.reach(each.calendar, today) for each in behind if each.calendar is not None)
    return datetime.combine(days, time(), UTC) + timedelta(1)
