"""Commands on shares."""

from dataclasses import dataclass
from uuid import UUID

from millrace_patients.access import Access, Caller, Need
from millrace_patients.audit.model import Deed
from millrace_patients.patient.repository import is_active
from millrace_patients.sharing import repository
from millrace_patients.sharing.repository import Share
from millrace_patients.unit_of_work import Units
from millrace_platform.errors import Conflict, NotFound

LIMIT = 200
"""Practices that a patient may share with."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """Each method commits before it returns. For the patient only; 404 for others."""

    units: Units
    access: Access

    async def list(self, caller: Caller, patient_id: UUID) -> list[Share]:
        async with self.units.begin() as work:
            await self.access.enter(work, caller, patient_id, Need.OWN)
            found = await repository.all_of(work.session, patient_id)
            work.note(caller.entry(patient_id, Deed.READ, "shares"))
        return found

    async def add(self, caller: Caller, patient_id: UUID, practice_id: UUID) -> None:
        """Problems: 409 before there is a profile, and where there are too many."""
        async with self.units.begin() as work:
            await self.access.enter(work, caller, patient_id, Need.CHANGE)
            if not await is_active(work.session, patient_id):
                raise Conflict("There is no profile yet. Make it first.")
            if await repository.count(work.session, patient_id) >= LIMIT:
                raise Conflict(f"A patient shares with at most {LIMIT} practices. End another share first.")
            await repository.add(work.session, patient_id, practice_id, work.now)
            work.note(caller.entry(patient_id, Deed.CREATE, f"share/{practice_id}"))

    async def remove(self, caller: Caller, patient_id: UUID, practice_id: UUID) -> None:
        async with self.units.begin() as work:
            await self.access.enter(work, caller, patient_id, Need.CHANGE)
            if not await repository.remove(work.session, patient_id, practice_id):
                raise NotFound("There is no such share.")
            work.note(caller.entry(patient_id, Deed.DELETE, f"share/{practice_id}"))
