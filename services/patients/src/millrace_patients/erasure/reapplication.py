"""Erases again what a restored backup has brought back."""

from dataclasses import dataclass

from millrace_patients.erasure.ledger import ErasureLedger
from millrace_patients.erasure.service import Eraser
from millrace_platform.audit.model import Action, AuditEntry, Purpose
from millrace_platform.audit.unit_of_work import UnitsOfWork


@dataclass(frozen=True, slots=True)
class Reapplication:
    """Applies the ledger to the database."""

    units: UnitsOfWork
    eraser: Eraser
    ledger: ErasureLedger

    async def run(self) -> tuple[int, int]:
        """Erase the persons of the ledger who aren't erased, one transaction each, then end all sessions.

        Return the numbers of persons and of sessions. Sessions end since the backup doesn't know who signed out after
        it. Idempotent. Raises `Unavailable`.
        """
        erased = 0
        async for person_id in self.ledger.list():
            async with self.units.begin() as work:
                if await self.eraser.erase(work, person_id):
                    erased += 1
                    purpose = Purpose.PATIENT_REQUEST
                    work.audit(AuditEntry(person_id=person_id, action=Action.ERASE, target="all", purpose=purpose))
        async with self.units.begin() as work:
            ended = await self.eraser.sessions.end_every(work.session, work.now)
        return erased, ended
