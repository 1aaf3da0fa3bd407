"""Extends the slots of all calendars each day, so that they always end at the horizon."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from millrace_platform.errors import Problem
from millrace_platform.periodic import run_periodically
from millrace_platform.unit_of_work import UnitsOfWork
from millrace_scheduling.calendar import repository
from millrace_scheduling.calendar.model import Calendar
from millrace_scheduling.dirty_marks import mark_provider_locations_dirty

CALENDARS_PER_BATCH = 100
"""Maximum of calendars whose slots one transaction extends."""


@dataclass(frozen=True, slots=True)
class SlotExtension:
    """Periodic task that extends slots. Can run in several processes: each skips calendars another one extends.

    `interval` is the time between two runs of the task, in seconds.
    """

    units: UnitsOfWork
    interval: float

    async def run(self) -> None:
        """Extend slots until cancelled, pausing `interval` seconds after each run; log a run that raises `Problem`."""
        await run_periodically(self.run_once, name="extension", pause=self.interval, retry_on=Problem)

    async def run_once(self) -> int:
        """Extend all slots to their horizons and delete past ones; return the number of extended calendars."""
        extended = 0
        while (count := await self._extend_batch()) > 0:
            extended += count
        async with self.units.begin() as work:
            await repository.delete_slots_before(work.session, work.now.date() - timedelta(1))
        return extended

    async def _extend_batch(self) -> int:
        async with self.units.begin() as work:
            today = work.now.date()
            rows = await repository.lock_behind_horizon(work.session, today, CALENDARS_PER_BATCH)
            behind = [
                (row.provider_location_id, row.calendar, row.materialized_to or today)
                for row in rows
                if row.calendar is not None
            ]
            if behind:
                await repository.add_slots(work.session, await asyncio.to_thread(_missing_slots, behind, today))
                ids = [provider_location_id for provider_location_id, _, _ in behind]
                await repository.save_materialized(work.session, ids, today)
                first = min(materialized_to for _, _, materialized_to in behind) - timedelta(1)
                last = max(repository.slot_horizon(calendar, today) for _, calendar, _ in behind) + timedelta(1)
                await mark_provider_locations_dirty(work.session, ids, _utc_midnight(first), _utc_midnight(last))
            return len(behind)


def _missing_slots(behind: Sequence[tuple[UUID, Calendar, date]], today: date) -> list[tuple[UUID, date, list[int]]]:
    return [
        row
        for provider_location_id, calendar, materialized_to in behind
        for row in repository.slot_rows(
            provider_location_id, calendar, materialized_to, repository.slot_horizon(calendar, today)
        )
    ]


def _utc_midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
