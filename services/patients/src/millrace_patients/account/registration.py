"""Sign-up, and reset and change of the password.

A caller must not learn whether an address has an account: the response and the work (one challenge, one email) are the
same in both cases, and only the mailbox owner can read the difference. A password is set with the emailed token, never
before, so a stranger cannot prepare an account that its owner then confirms.
"""

from dataclasses import dataclass
from uuid import UUID

from millrace_patients.account import repository
from millrace_patients.account.model import Account
from millrace_patients.account.passwords import Passwords
from millrace_patients.account.publication import revoke_tokens
from millrace_patients.account.repository import EMAIL_LABEL, Address
from millrace_patients.challenge.service import Challenge, ChallengeKind, Challenges, invalid_token
from millrace_patients.crypto.service_keys import ServiceKeys
from millrace_patients.email_queue.service import EmailKind, EmailQueue
from millrace_patients.person.vault import Vault
from millrace_patients.session.service import Sessions, session_ended
from millrace_patients.throttle.service import Attempt, Throttle
from millrace_platform.audit.model import Action, AuditEntry, Purpose
from millrace_platform.audit.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_platform.authentication import Principal, Role
from millrace_platform.errors import FieldError, Problem, Unprocessable
from millrace_platform.ids import Ids

CHOOSE_ANOTHER = "Choose another password; a sentence that only you would write works best."
_EMAIL_KINDS = {
    (ChallengeKind.SIGN_UP, ChallengeKind.SIGN_UP): EmailKind.VERIFY_EMAIL,
    (ChallengeKind.SIGN_UP, ChallengeKind.PASSWORD_RESET): EmailKind.ACCOUNT_EXISTS,
    (ChallengeKind.PASSWORD_RESET, ChallengeKind.PASSWORD_RESET): EmailKind.RESET_PASSWORD,
    (ChallengeKind.PASSWORD_RESET, ChallengeKind.SIGN_UP): EmailKind.NO_ACCOUNT,
}
"""Email to send, by (requested kind, kind possible for the address): sign-up without an account, else a reset."""


@dataclass(frozen=True, slots=True)
class Registration:
    """Registers accounts, and resets and changes passwords. Each method commits before it returns."""

    units: UnitsOfWork
    keys: ServiceKeys
    throttle: Throttle
    challenges: Challenges
    emails: EmailQueue
    passwords: Passwords
    vault: Vault
    sessions: Sessions
    ids: Ids

    async def request_token(self, requested: ChallengeKind, email: str, source: str) -> None:
        """Email a token of the requested kind, or of the other kind if only that is possible for the canonical address.

        Send nothing if the address has reached its limit of emails. Problems: 429 for a source with many requests.
        """
        index = self.keys.index_email(email)
        if not await self.throttle.count_email(index, source):
            return
        async with self.units.begin() as work:
            account = await repository.find_by_email_index(work.session, index)
            kind = ChallengeKind.SIGN_UP if account is None else ChallengeKind.PASSWORD_RESET
            challenge = Challenge(kind, index, email, None if account is None else account.id)
            token = await self.challenges.issue(work.session, challenge, work.now)
            await self.emails.enqueue(work, _EMAIL_KINDS[requested, kind], challenge, token)

    async def create_account(self, token: str, password: str) -> UUID:
        """Create the account for an emailed token and return its id.

        Problems: 422 for an invalid token or a weak password.
        """
        hashed = await self._hash_password(ChallengeKind.SIGN_UP, token, password)
        async with self.units.begin() as work:
            challenge = await self.challenges.redeem(work.session, ChallengeKind.SIGN_UP, token, work.now)
            if challenge is None:
                raise invalid_token()
            await self.throttle.forgive_emails(work.session, challenge.email_index)
            return await self._insert_account(work, challenge, hashed)

    async def reset_password(self, token: str, password: str, source: str) -> None:
        """Set a new password, end all sessions and email a notice.

        Problems: 422 for an invalid token or a weak password.
        """
        hashed = await self._hash_password(ChallengeKind.PASSWORD_RESET, token, password)
        async with self.units.begin() as work:
            challenge = await self.challenges.redeem(work.session, ChallengeKind.PASSWORD_RESET, token, work.now)
            account = await self._lock_account(work, challenge)
            if challenge is None or account is None:
                raise invalid_token()
            await self.throttle.forgive_emails(work.session, challenge.email_index)
            # Forgotten passwords usually follow failed attempts from this source.
            attempt = self.throttle.create_attempt(challenge.email_index, source, None)
            address = Address(challenge.email_index, challenge.email)
            await self._replace_password(work, account.id, hashed, address, attempt)

    async def change_password(self, caller: Principal, current: str, password: str, source: str) -> None:
        """Replace the caller's password, end all sessions and email a notice.

        Problems: 401 for an ended session, 422 for a wrong or a weak password, 429 after several wrong ones.
        """
        async with self.units.database.read() as session:
            account = await repository.find(session, caller.subject)
            key = await self.vault.find(session, caller.subject)
            address = None if key is None else await repository.find_address(session, key)
        if caller.session is None or account is None or address is None:
            raise session_ended()
        attempt = self.throttle.create_attempt(address.index, source, None)
        await self.throttle.count_attempt(attempt)
        if not await self.passwords.verify(account.password_hash, current):
            raise _wrong_password()
        hashed = await self._hash_if_strong(password, address.email)
        async with self.units.begin() as work:
            locked = await repository.find_for_update(work.session, account.id)
            if locked is None or locked.password_hash != account.password_hash:
                # Changed or erased while the password was verified.
                raise session_ended()
            await self._replace_password(work, account.id, hashed, address, attempt)

    async def _replace_password(
        self, work: UnitOfWork, account_id: UUID, hashed: str, address: Address, attempt: Attempt
    ) -> None:
        await repository.set_password(work.session, account_id, hashed)
        await self.sessions.end_all(work.session, account_id, work.now)
        await revoke_tokens(work, account_id)
        await self.throttle.reset_after_success(work.session, attempt)
        await self.emails.enqueue_notice(
            work, EmailKind.PASSWORD_CHANGED, account_id=account_id, email_index=address.index, email=address.email
        )
        work.audit(_owner_entry(account_id, Action.UPDATE, "account/password"))

    async def _hash_password(self, kind: ChallengeKind, token: str, password: str) -> str:
        """Return the password's hash; raise a 422 problem for an invalid token or a weak password.

        Runs outside a transaction, because hashing is slow.
        """
        async with self.units.database.read() as session:
            challenge = await self.challenges.find(session, kind, token, self.units.now())
        if challenge is None:
            raise invalid_token()
        return await self._hash_if_strong(password, challenge.email)

    async def _hash_if_strong(self, password: str, email: str) -> str:
        """Return the hash of a new password of the account with this address; raise a 422 problem for a weak one."""
        found = await self.passwords.find_weaknesses(password, email)
        if found:
            raise Unprocessable(
                errors=[FieldError(field="password", detail=each, remedy=CHOOSE_ANOTHER) for each in found]
            )
        return await self.passwords.hash(password)

    async def _insert_account(self, work: UnitOfWork, challenge: Challenge, hashed: str) -> UUID:
        account = Account(self.ids(), (Role.PATIENT,), (), hashed)
        key = await self.vault.create(work.session, account.id, work.now)
        if key is None:
            raise invalid_token()
        sealed = key.seal(challenge.email.encode(), EMAIL_LABEL)
        if not await repository.add(work.session, account, challenge.email_index, sealed, work.now):
            raise invalid_token()
        work.audit(_owner_entry(account.id, Action.CREATE, "account"))
        return account.id

    async def _lock_account(self, work: UnitOfWork, challenge: Challenge | None) -> Account | None:
        if challenge is None or challenge.person_id is None:
            return None
        return await repository.find_for_update(work.session, challenge.person_id)


def _owner_entry(account_id: UUID, action: Action, target: str) -> AuditEntry:
    purpose, roles = Purpose.PATIENT_REQUEST, Role.PATIENT
    return AuditEntry(
        person_id=account_id, action=action, target=target, purpose=purpose, actor_id=account_id, roles=roles
    )


def _wrong_password() -> Problem:
    detail, remedy = "The current password is wrong.", "Check it, or request a password reset."
    return Unprocessable(errors=[FieldError(field="current_password", detail=detail, remedy=remedy)])
