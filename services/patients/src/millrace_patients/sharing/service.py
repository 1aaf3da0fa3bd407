"""Operations on shares."""

from dataclasses import dataclass
from uuid import UUID

from millrace_patients.access import AccessControl, Caller, Permission
from millrace_patients.audit.model import Action
from millrace_patients.patient.repository import is_active
from millrace_patients.sharing import repository
from millrace_patients.sharing.repository import Share
from millrace_patients.unit_of_work import UnitsOfWork
from millrace_platform.errors import Conflict, NotFound

SHARES_LIMIT = 200
"""Maximum number of practices a patient may share with."""


@dataclass(frozen=True, slots=True)
class ShareService:
    """Lists, adds and removes shares, for the patient only (404 for others). Each method commits before it returns."""

    units: UnitsOfWork
    access: AccessControl

    async def list(self, caller: Caller, patient_id: UUID) -> list[Share]:
        async with self.units.begin() as work:
            await self.access.authorize(work, caller, patient_id, Permission.READ_PRIVATE)
            found = await repository.list_all(work.session, patient_id)
            work.audit(caller.audit_entry(patient_id, Action.READ, "shares"))
        return found

    async def add(self, caller: Caller, patient_id: UUID, practice_id: UUID) -> None:
        """Share the patient's data with a practice.

        Problems: 404 for other callers, 409 without a profile or at the limit of shares.
        """
        async with self.units.begin() as work:
            await self.access.authorize(work, caller, patient_id, Permission.WRITE)
            if not await is_active(work.session, patient_id):
                raise Conflict("There is no profile yet. Create it first.")
            if await repository.count(work.session, patient_id) >= SHARES_LIMIT:
                raise Conflict(
                    f"The patient shares with the maximum of {SHARES_LIMIT} practices. Remove another share first."
                )
            await repository.add(work.session, patient_id, practice_id, work.now)
            work.audit(caller.audit_entry(patient_id, Action.CREATE, f"share/{practice_id}"))

    async def remove(self, caller: Caller, patient_id: UUID, practice_id: UUID) -> None:
        async with self.units.begin() as work:
            await self.access.authorize(work, caller, patient_id, Permission.WRITE)
            if not await repository.remove(work.session, patient_id, practice_id):
                raise NotFound("There is no such share.")
            work.audit(caller.audit_entry(patient_id, Action.DELETE, f"share/{practice_id}"))
