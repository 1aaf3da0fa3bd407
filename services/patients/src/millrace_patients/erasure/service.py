"""Erases persons: destroys the data key, then deletes the data sealed with it."""

from dataclasses import dataclass
from uuid import UUID

from millrace_patients.account import repository as accounts
from millrace_patients.account.publication import revoke_tokens
from millrace_patients.challenge.service import Challenges
from millrace_patients.email_queue.service import EmailQueue
from millrace_patients.patient import repository as patients
from millrace_patients.patient.publication import publish_current_version
from millrace_patients.person.vault import Vault
from millrace_patients.record import repository as records
from millrace_patients.session.service import Sessions
from millrace_patients.sharing import repository as shares
from millrace_platform.audit.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Eraser:
    """Erases a person in the caller's transaction. Ids and the audit trail stay."""

    vault: Vault
    sessions: Sessions
    challenges: Challenges
    emails: EmailQueue

    async def erase(self, work: UnitOfWork, person_id: UUID) -> bool:
        """Erase the person, refuse the access tokens and publish the erasure; return False for an unknown or erased
        person.
        """
        if not await self.vault.shred(work.session, person_id, work.now):
            return False
        index = await accounts.erase(work.session, person_id, work.now)
        await self.sessions.delete_all(work.session, person_id)
        await revoke_tokens(work, person_id)
        if index is not None:
            await self.challenges.delete_for_address(work.session, index)
            await self.emails.delete_for_address(work.session, index)
        await records.remove_all(work.session, person_id, work.now)
        await shares.remove_all(work.session, person_id)
        if await patients.erase(work.session, person_id):
            await publish_current_version(work, person_id)
        return True
