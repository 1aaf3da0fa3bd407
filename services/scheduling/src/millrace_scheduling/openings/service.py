"""Tells the feed of openings: takes what was marked, week by week, and tells what differs from what was told."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from millrace_platform.background import require_running
from millrace_platform.errors import Problem
from millrace_platform.rounds import in_batches, in_rounds
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_scheduling.availability import repository as availability
from millrace_scheduling.availability.repository import Timetable
from millrace_scheduling.openings import repository
from millrace_scheduling.openings.model import current_week, weeks_between
from millrace_scheduling.openings.repository import Mark, Told
from millrace_scheduling.openings.wire import is_empty, openings_event, week_data
from millrace_scheduling.slot.model import Occupied

MARKS = 50
"""How many marks one transaction takes: a change of a calendar touches some ten weeks of each."""
WEEKS_AT_ONCE = 20
"""Weeks whose openings are worked out before others have a turn, some milliseconds."""
OUTDATED = 500

Week = tuple[UUID, date]

_log = logging.getLogger("scheduling.openings")


@dataclass(frozen=True, slots=True)
class Teller:
    """Any number may run at once. A mark is gone with the commit of what it led to, and not before.

    `interval` is the time between the beginnings of two rounds, in seconds.
    """

    units: UnitsOfWork
    interval: float

    async def run(self) -> None:
        """Until it is cancelled. What fails is done again: the marks stay."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                is_done = await self.once() < MARKS
            except Problem as error:
                _log.warning("openings can't be told", extra={"reason": str(error)})
                is_done = True
                require_running()
            await asyncio.sleep(began + self.interval - loop.time() if is_done else 0)

    async def once(self) -> int:
        """Tell what the oldest marks touch; how many marks that were."""
        async with self.units.begin() as work:
            marks = await repository.take(work.session, MARKS)
            if marks:
                await self._tell(work, marks)
        return len(marks)

    async def _tell(self, work: UnitOfWork, marks: Sequence[Mark]) -> None:
        npi_of = {place_id: each.npi for each in marks for place_id in each.place_ids}
        weeks = _touched(marks, work.now)
        if not weeks:
            return
        # Only behind this lock it is read what is booked: what comes later has a mark of its own that is still there.
        told = await repository.lock(work.session, sorted(weeks))
        found = await availability.weeks(work.session, list(told), work.now)
        changed = await _changes(told, found, work.now.timestamp())
        if changed:
            work.record(
                *(openings_event(npi_of[p], p, week, told[p, week].version + 1, data) for p, week, data in changed)
            )
            await repository.tell(work.session, changed)


def _touched(marks: Sequence[Mark], now: datetime) -> set[Week]:
    oldest = current_week(now)
    return {
        (place_id, week)
        for each in marks
        for week in weeks_between(max(each.first, now), each.last)
        if week >= oldest
        for place_id in each.place_ids
    }


async def _changes(
    told: Mapping[Week, Told], found: Mapping[Week, tuple[Timetable, Occupied]], now: float
) -> list[tuple[UUID, date, bytes | None]]:
    """What differs from what was told. A thread would wait longer for its turns than it works."""
    changed: list[tuple[UUID, date, bytes | None]] = []
    for number, ((place_id, week), before) in enumerate(told.items(), 1):
        if number % WEEKS_AT_ONCE == 0:
            await asyncio.sleep(0)
        data = None
        if (place_id, week) in found:
            timetable, occupied = found[place_id, week]
            data = week_data(timetable, week, occupied, now)
        was_silent = before.version == 0 and is_empty(data)
        if data != before.data and not was_silent:
            changed.append((place_id, week, data))
    return changed


@dataclass(frozen=True, slots=True)
class Aging:
    """Time takes openings away too: what comes within the notice is told anew, weeks that are over are withdrawn."""

    units: UnitsOfWork
    interval: float

    async def run(self) -> None:
        """See `in_rounds`."""
        await in_rounds(self.once, name="aging", pause=self.interval, passing=Problem)

    async def once(self) -> None:
        """One round."""
        async with self.units.begin() as work:
            await repository.mark_aging(work.session, work.now)
        await in_batches(self._withdraw, OUTDATED)
        async with self.units.begin() as work:
            await repository.forget(work.session, current_week(work.now))

    async def _withdraw(self) -> int:
        async with self.units.begin() as work:
            found = await repository.outdated(work.session, current_week(work.now), OUTDATED)
            if found:
                work.record(
                    *(openings_event(npi, each.place_id, each.week, each.version + 1, None) for npi, each in found)
                )
                await repository.tell(work.session, [(each.place_id, each.week, None) for _, each in found])
        return len(found)
