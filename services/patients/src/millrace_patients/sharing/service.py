"""Operations on shares."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from millrace_patients.access import AccessControl, Permission
from millrace_patients.directory.model import practice_reference
from millrace_patients.directory.service import DirectoryService, require_in_copy
from millrace_patients.patient.repository import is_active
from millrace_patients.person.vault import Vault
from millrace_patients.sharing import repository
from millrace_patients.sharing.model import Scope, Share, SharedVisit
from millrace_platform.audit.caller import Caller
from millrace_platform.audit.model import Action, AuditEntry, Purpose
from millrace_platform.audit.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_platform.errors import Conflict, NotFound

SHARES_LIMIT = 200
"""Maximum number of practices a patient may share with."""


@dataclass(frozen=True, slots=True)
class ShareService:
    """Lists, adds and removes shares, for the patient only (404 for others). Each method commits before it returns."""

    units: UnitsOfWork
    access: AccessControl
    directory: DirectoryService

    async def list(self, caller: Caller, patient_id: UUID) -> list[Share]:
        async with self.units.begin() as work:
            await self.access.authorize(work, caller, patient_id, Permission.READ_PRIVATE)
            found = await repository.list_all(work.session, patient_id)
            work.audit(caller.audit_entry(patient_id, Action.READ, "shares"))
        return found

    async def add(self, caller: Caller, patient_id: UUID, practice_id: UUID) -> None:
        """Share all of the patient's data with a practice.

        Problems: 404 for other callers, 409 without a profile or at the limit of shares, 422 for an unknown practice,
        503 if the practice can't be checked.
        """
        await self.directory.run_confirmed(partial(self._add, caller, patient_id, practice_id))

    async def _add(self, caller: Caller, patient_id: UUID, practice_id: UUID, *, is_confirmed: bool) -> None:
        async with self.units.begin() as work:
            await self.access.authorize(work, caller, patient_id, Permission.WRITE)
            if not await is_active(work.session, patient_id):
                raise Conflict("There is no profile yet. Create it first.")
            if await repository.count(work.session, patient_id) >= SHARES_LIMIT:
                raise Conflict(
                    f"The patient shares with the maximum of {SHARES_LIMIT} practices. Remove another share first."
                )
            if not is_confirmed:
                await require_in_copy(work.session, practice_reference(practice_id, field="practice_id"))
            await repository.add(work.session, patient_id, practice_id, Scope.ALL, work.now)
            work.audit(caller.audit_entry(patient_id, Action.CREATE, f"share/{practice_id}"))

    async def remove(self, caller: Caller, patient_id: UUID, practice_id: UUID) -> None:
        async with self.units.begin() as work:
            await self.access.authorize(work, caller, patient_id, Permission.WRITE)
            if not await repository.remove(work.session, patient_id, practice_id):
                raise NotFound("There is no such share.")
            work.audit(caller.audit_entry(patient_id, Action.DELETE, f"share/{practice_id}"))


@dataclass(frozen=True, slots=True)
class VisitSharing:
    """Shares booked visits with their practices, on behalf of the patients."""

    units: UnitsOfWork
    vault: Vault

    async def share(self, visits: Sequence[SharedVisit]) -> None:
        """Let each practice read what its visit needs, once per visit; leave erased and unknown patients out.

        The limit of shares doesn't apply, since a booking needs its share. Each new visit adds an entry to the audit
        trail.
        """
        async with self.units.begin() as work:
            # Sorted, so that two consumers can't deadlock while a lease changes hands.
            for visit in sorted(visits, key=lambda visit: (visit.patient_id, visit.appointment_id)):
                await self._share(work, visit)

    async def _share(self, work: UnitOfWork, visit: SharedVisit) -> None:
        patient_id = visit.patient_id
        if not await self.vault.lock(work.session, patient_id) or not await is_active(work.session, patient_id):
            return
        if await repository.add_visit(work.session, visit):
            await repository.add(work.session, patient_id, visit.practice_id, Scope.VISITS, work.now)
            target = f"share/{visit.practice_id}"
            work.audit(AuditEntry(person_id=patient_id, action=Action.CREATE, target=target, purpose=Purpose.TREATMENT))
