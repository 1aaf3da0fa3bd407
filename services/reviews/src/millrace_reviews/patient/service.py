"""Erasure of patients."""

from dataclasses import dataclass
from datetime import datetime

from millrace_platform.database import Session
from millrace_platform.unit_of_work import UnitsOfWork
from millrace_reviews.moderation import repository as moderation
from millrace_reviews.patient import repository as patients
from millrace_reviews.reply import repository as replies
from millrace_reviews.review import repository as reviews
from millrace_reviews.visit import repository as visits


@dataclass(frozen=True, slots=True)
class Patients:
    """Applies events of patients: erases the data of those who were erased."""

    units: UnitsOfWork

    async def apply_state(self, identifier: str, version: int, *, erased: bool) -> None:
        """Store a newer state of a patient; on erasure, remove the patient and all of the patient's texts.

        The stars of published reviews stay: they are part of averages and identify no patient. Unpublished reviews are
        withdrawn.
        """
        async with self.units.begin() as work:
            is_new = await patients.save_newer(work.session, identifier, version, work.now if erased else None)
            if is_new and erased:
                await self._erase(work.session, identifier, work.now)

    async def _erase(self, session: Session, identifier: str, now: datetime) -> None:
        await visits.remove_patient(session, identifier)
        await moderation.delete_flags_of_reporter(session, identifier)
        review_ids = await reviews.erase_author(session, identifier, now)
        await replies.remove_all(session, review_ids, now)
