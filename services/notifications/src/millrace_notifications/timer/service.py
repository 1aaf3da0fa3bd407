"""Adds and drops timers within the transaction that applies a change."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from millrace_feeds.clock import Clock, utc_now
from millrace_notifications.timer import repository
from millrace_notifications.timer.model import TimerPlan, group_drops, remaining_timers
from millrace_notifications.timer.tables import erased_patient
from millrace_platform.database import Session
from millrace_platform.ids import Ids


@dataclass(frozen=True, slots=True)
class TimerService:
    """Applies timer plans to the database. Adds no timers for erased patients."""

    clock: Clock
    ids: Ids

    async def apply(self, session: Session, plans: Sequence[TimerPlan]) -> None:
        """Apply the plans in order; the number of statements doesn't depend on the number of plans."""
        for (reason, kinds), entities in group_drops(plans).items():
            await repository.drop(session, entities, kinds, reason, utc_now(self.clock))
        timers = remaining_timers(plans)
        erased = await _list_erased(session, {timer.patient_id for timer in timers})
        await repository.insert_timers(session, [each for each in timers if each.patient_id not in erased], self.ids)

    async def erase_patient(self, session: Session, patient_id: str) -> None:
        """Drop the patient's waiting timers and prevent new ones."""
        now = utc_now(self.clock)
        row = {"id": patient_id, "erased_at": now}
        await session.execute(insert(erased_patient).values(row).on_conflict_do_nothing())
        await repository.drop_of_patient(session, patient_id, "erased", now)


async def _list_erased(session: Session, patients: set[str]) -> set[str]:
    # A timer added concurrently with an erasure is dropped when it is due, because `patients` returns no contact.
    query = select(erased_patient.c.id).where(erased_patient.c.id.in_(patients))
    return set((await session.execute(query)).scalars()) if patients else set()
