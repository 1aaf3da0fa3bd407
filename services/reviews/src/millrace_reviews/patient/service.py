"""What becomes of a patient's traces here."""

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
    """Follows what `patients` tells of its patients."""

    units: UnitsOfWork

    async def follow(self, identifier: str, version: int, *, erased: bool) -> None:
        """Take over a newer state. Erasure forgets whose visits and reviews these were, and every word of the reviews.

        Stars of published reviews stay: they count in an average and name nobody. Reviews that weren't public are gone.
        """
        async with self.units.begin() as work:
            is_new = await patients.put(work.session, identifier, version, work.now if erased else None)
            if is_new and erased:
                await self._forget(work.session, identifier, work.now)

    async def _forget(self, session: Session, identifier: str, now: datetime) -> None:
        await visits.forget(session, identifier)
        await moderation.forget(session, identifier)
        forgotten = await reviews.forget(session, identifier, now)
        await replies.remove_all(session, forgotten, now)
