"""Publishes openings: recomputes weeks with dirty marks, and publishes those whose openings changed."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from millrace_platform.background import raise_if_cancelled
from millrace_platform.errors import Problem
from millrace_platform.periodic import run_in_batches, run_periodically
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_scheduling.availability.model import Timetable
from millrace_scheduling.availability.repository import load_weeks
from millrace_scheduling.calendar.slots import OccupiedTime
from millrace_scheduling.openings import repository
from millrace_scheduling.openings.model import current_week, weeks_between
from millrace_scheduling.openings.repository import DirtyMark, WeekRow
from millrace_scheduling.openings.wire import is_empty, openings_event, render_week

MARKS_PER_BATCH = 50
"""Maximum of dirty marks processed in one transaction: a changed calendar's mark spans about ten weeks."""
WEEKS_PER_TURN = 20
"""Weeks rendered before yielding to the event loop; rendering them takes some milliseconds."""
PAST_WEEKS_PER_BATCH = 500

WeekKey = tuple[UUID, date]

_log = logging.getLogger("scheduling.openings")


@dataclass(frozen=True, slots=True)
class OpeningsPublisher:
    """Publishes an event for each week whose openings changed. Can run in several processes.

    A dirty mark (a time whose openings may have changed) is deleted by the transaction that writes its events.
    `interval` is the time between the starts of two batches, in seconds.
    """

    units: UnitsOfWork
    interval: float

    async def run(self) -> None:
        """Publish until cancelled. A failed batch is retried, because its marks remain."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                is_done = await self.publish_batch() < MARKS_PER_BATCH
            except Problem as error:
                _log.warning("openings can't be published", extra={"reason": str(error)})
                is_done = True
                raise_if_cancelled()
            await asyncio.sleep(began + self.interval - loop.time() if is_done else 0)

    async def publish_batch(self) -> int:
        """Recompute the weeks that the oldest dirty marks name, publish those that changed, and return the number of
        marks.
        """
        async with self.units.begin() as work:
            marks = await repository.take_marks(work.session, MARKS_PER_BATCH)
            if marks:
                await self._publish_changes(work, marks)
        return len(marks)

    async def _publish_changes(self, work: UnitOfWork, marks: Sequence[DirtyMark]) -> None:
        npi_of = {identifier: mark.npi for mark in marks for identifier in mark.provider_location_ids}
        # Later than the transaction's time, which may be before the change that a mark reports.
        now = self.units.now()
        weeks = _touched_weeks(marks, now)
        if not weeks:
            return
        # Load reservations only after taking the lock; later commits leave their own dirty mark.
        published = await repository.lock_weeks(work.session, sorted(weeks))
        current = await load_weeks(work.session, list(published), now)
        changed = await _find_changes(published, current, now.timestamp())
        if changed:
            work.record(
                *(openings_event(npi_of[p], p, week, published[p, week].version + 1, data) for p, week, data in changed)
            )
            await repository.save_weeks(work.session, changed)


def _touched_weeks(marks: Sequence[DirtyMark], now: datetime) -> set[WeekKey]:
    oldest = current_week(now)
    return {
        (provider_location_id, week)
        for mark in marks
        for week in weeks_between(max(mark.changed_from, now), mark.changed_until)
        if week >= oldest
        for provider_location_id in mark.provider_location_ids
    }


async def _find_changes(
    published: Mapping[WeekKey, WeekRow], current: Mapping[WeekKey, tuple[Timetable, OccupiedTime]], now: float
) -> list[tuple[UUID, date, bytes | None]]:
    """Return the weeks whose rendered openings differ from the published ones.

    Yields to the event loop instead of using a thread, which would spend more time on waiting for the GIL than on work.
    """
    changed: list[tuple[UUID, date, bytes | None]] = []
    for number, ((provider_location_id, week), before) in enumerate(published.items(), 1):
        if number % WEEKS_PER_TURN == 0:
            await asyncio.sleep(0)
        data = None
        if (provider_location_id, week) in current:
            timetable, occupied = current[provider_location_id, week]
            data = render_week(timetable, week, occupied, now)
        is_still_empty = before.version == 0 and is_empty(data)
        if data != before.data and not is_still_empty:
            changed.append((provider_location_id, week, data))
    return changed


@dataclass(frozen=True, slots=True)
class OpeningsExpiry:
    """Withdraws openings as time passes: times within the minimum notice, and weeks that are over.

    `interval` is the time between two runs, in seconds.
    """

    units: UnitsOfWork
    interval: float

    async def run(self) -> None:
        """Withdraw openings until cancelled, `interval` seconds after each run; log a run that raises `Problem`."""
        await run_periodically(self.run_once, name="aging", pause=self.interval, retry_on=Problem)

    async def run_once(self) -> None:
        """Have openings within the minimum notice recomputed; publish the deletion of past weeks; delete their rows."""
        async with self.units.begin() as work:
            await repository.mark_notice_dirty(work.session, work.now)
        await run_in_batches(self._withdraw_batch, PAST_WEEKS_PER_BATCH)
        async with self.units.begin() as work:
            await repository.delete_past_weeks(work.session, current_week(work.now))

    async def _withdraw_batch(self) -> int:
        async with self.units.begin() as work:
            past = await repository.lock_past_weeks(work.session, current_week(work.now), PAST_WEEKS_PER_BATCH)
            if past:
                work.record(
                    *(
                        openings_event(npi, row.provider_location_id, row.week, row.version + 1, None)
                        for npi, row in past
                    )
                )
                await repository.save_weeks(
                    work.session, [(row.provider_location_id, row.week, None) for _, row in past]
                )
        return len(past)
