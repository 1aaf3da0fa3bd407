"""Schedules and drops emails within the transaction that applies a change."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from millrace_feeds.clock import Clock, utc_now
from millrace_notifications.scheduled_email import repository
from millrace_notifications.scheduled_email.model import EmailPlan, group_drops, remaining_emails
from millrace_notifications.scheduled_email.tables import erased_patient
from millrace_platform.database import Session
from millrace_platform.ids import Ids


@dataclass(frozen=True, slots=True)
class EmailScheduler:
    """Applies email plans to the database. Schedules no emails to erased patients."""

    clock: Clock
    ids: Ids

    async def apply(self, session: Session, plans: Sequence[EmailPlan]) -> None:
        """Apply the plans in order; the number of statements doesn't depend on the number of plans."""
        for (reason, kinds), entities in group_drops(plans).items():
            await repository.drop(session, entities, kinds, reason, utc_now(self.clock))
        emails = remaining_emails(plans)
        erased = await _list_erased(session, {email.patient_id for email in emails})
        await repository.insert_emails(session, [each for each in emails if each.patient_id not in erased], self.ids)

    async def erase_patient(self, session: Session, patient_id: str) -> None:
        """Drop the patient's waiting emails and prevent new ones."""
        now = utc_now(self.clock)
        row = {"id": patient_id, "erased_at": now}
        await session.execute(insert(erased_patient).values(row).on_conflict_do_nothing())
        await repository.drop_of_patient(session, patient_id, "erased", now)


async def _list_erased(session: Session, patients: set[str]) -> set[str]:
    # An email scheduled concurrently with an erasure is dropped when it is due, as `patients` returns no contact.
    query = select(erased_patient.c.id).where(erased_patient.c.id.in_(patients))
    return set((await session.execute(query)).scalars()) if patients else set()
