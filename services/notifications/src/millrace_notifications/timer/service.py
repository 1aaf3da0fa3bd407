"""Sets and drops timers, as part of the transaction that applies a change."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from millrace_feeds.clock import Clock, utc_now
from millrace_notifications.timer import repository
from millrace_notifications.timer.model import Plan, drops, remaining
from millrace_notifications.timer.tables import erased_patient
from millrace_platform.database import Session
from millrace_platform.ids import Ids


@dataclass(frozen=True, slots=True)
class Timers:
    """Nothing is set for who was erased."""

    clock: Clock
    ids: Ids

    async def apply(self, session: Session, plans: Sequence[Plan]) -> None:
        """All plans in order, in a few statements however many they are."""
        for (reason, kinds), entities in drops(plans).items():
            await repository.drop(session, entities, kinds, reason, utc_now(self.clock))
        timers = remaining(plans)
        erased = await _erased(session, {timer.patient_id for timer in timers})
        await repository.add(session, [each for each in timers if each.patient_id not in erased], self.ids)

    async def erase(self, session: Session, patient_id: str) -> None:
        """The patient is no more: no letter that waits leaves, and none is set again."""
        now = utc_now(self.clock)
        row = {"id": patient_id, "erased_at": now}
        await session.execute(insert(erased_patient).values(row).on_conflict_do_nothing())
        await repository.drop_all_of(session, patient_id, "erased", now)


async def _erased(session: Session, patients: set[str]) -> set[str]:
    # A timer that slips in beside an erasure is found out when `patients` is asked for the address.
    query = select(erased_patient.c.id).where(erased_patient.c.id.in_(patients))
    return set((await session.execute(query)).scalars()) if patients else set()
