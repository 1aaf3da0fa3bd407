"""From an e-mail address to an account, and to a new password.

Who asks learns nothing about others: whether an address has an account or not, the answer is the same and so is the
work, one challenge and one mail; only the mailbox' owner reads how it is. A password is chosen with the mail's token,
never before, so nobody can prepare an account that another one then confirms.
"""

from dataclasses import dataclass
from uuid import UUID

from millrace_patients.account import repository
from millrace_patients.account.model import Account, normalized_email, weaknesses
from millrace_patients.account.passwords import Passwords
from millrace_patients.account.repository import EMAIL
from millrace_patients.audit.model import Deed, Entry, Purpose
from millrace_patients.challenge.service import Challenge, ChallengeKind, Challenges
from millrace_patients.crypto.service_keys import ServiceKeys
from millrace_patients.mail.model import Mail, MailKind, Outbox
from millrace_patients.person.vault import Vault
from millrace_patients.session.service import Sessions
from millrace_patients.throttle.service import Throttle
from millrace_patients.unit_of_work import Units, Work
from millrace_platform.authentication import Role
from millrace_platform.errors import FieldError, Problem, Unprocessable
from millrace_platform.ids import Ids

_MAILS = {
    (ChallengeKind.SIGN_UP, ChallengeKind.SIGN_UP): MailKind.VERIFY_EMAIL,
    (ChallengeKind.SIGN_UP, ChallengeKind.PASSWORD_RESET): MailKind.ACCOUNT_EXISTS,
    (ChallengeKind.PASSWORD_RESET, ChallengeKind.PASSWORD_RESET): MailKind.RESET_PASSWORD,
    (ChallengeKind.PASSWORD_RESET, ChallengeKind.SIGN_UP): MailKind.NO_ACCOUNT,
}
"""What is mailed, by what was asked for and what is possible."""


@dataclass(frozen=True, slots=True)
class Registration:
    """Sign-up and password reset. Each method commits before it returns."""

    units: Units
    keys: ServiceKeys
    throttle: Throttle
    challenges: Challenges
    mail: Outbox
    passwords: Passwords
    vault: Vault
    sessions: Sessions
    ids: Ids

    async def ask(self, asked: ChallengeKind, email: str, source: str) -> None:
        """Mail a token for what is asked, or for what is possible instead. A 429 problem where the source asks much."""
        address = normalized_email(email)
        index = self.keys.index_of(address)
        if not await self.throttle.may_mail(index, source):
            return
        async with self.units.begin() as work:
            account = await repository.by_index(work.session, index)
            kind = ChallengeKind.SIGN_UP if account is None else ChallengeKind.PASSWORD_RESET
            person = None if account is None else account.id
            challenge = Challenge(kind, index, address, person)
            token = await self.challenges.issue(work.session, challenge, work.now)
            await self.mail.put(work, Mail(_MAILS[asked, kind], address, token, index, person))

    async def sign_up(self, token: str, password: str) -> UUID:
        """Make the account that a token was mailed for; its id. Problems: 422."""
        hashed = await self._hash(ChallengeKind.SIGN_UP, token, password)
        async with self.units.begin() as work:
            challenge = await self.challenges.use(work.session, ChallengeKind.SIGN_UP, token, work.now)
            if challenge is None:
                raise _invalid_token()
            return await self._create(work, challenge, hashed)

    async def reset_password(self, token: str, password: str, source: str) -> None:
        """Set a new password and end all sessions. Problems: 422."""
        hashed = await self._hash(ChallengeKind.PASSWORD_RESET, token, password)
        async with self.units.begin() as work:
            challenge = await self.challenges.use(work.session, ChallengeKind.PASSWORD_RESET, token, work.now)
            account = await self._account_of(work, challenge)
            if challenge is None or account is None:
                raise _invalid_token()
            await repository.set_password(work.session, account.id, hashed)
            await self.sessions.end_all(work.session, account.id, work.now)
            # Its owner has forgotten the password here, most likely after some tries.
            await self.throttle.succeeded(work.session, self.throttle.attempt(challenge.email_index, source, None))
            work.note(_by_owner(account.id, Deed.UPDATE, "account/password"))

    async def _hash(self, kind: ChallengeKind, token: str, password: str) -> str:
        """The password's hash, made before a transaction begins, for a token that is good by now."""
        async with self.units.database.read() as session:
            challenge = await self.challenges.find(session, kind, token, self.units.now())
        if challenge is None:
            raise _invalid_token()
        found = list(weaknesses(password, challenge.email))
        if found:
            raise Unprocessable(
                errors=[FieldError(field="password", detail=each, remedy="Choose another one.") for each in found]
            )
        return await self.passwords.hash(password)

    async def _create(self, work: Work, challenge: Challenge, hashed: str) -> UUID:
        account = Account(self.ids(), (Role.PATIENT,), (), hashed)
        await self.vault.create(work.session, account.id, work.now)
        key = await self.vault.hold(work.session, account.id)
        if key is None:
            raise _invalid_token()
        sealed = key.seal(challenge.email.encode(), EMAIL)
        if not await repository.add(work.session, account, challenge.email_index, sealed, work.now):
            raise _invalid_token()
        work.note(_by_owner(account.id, Deed.CREATE, "account"))
        return account.id

    async def _account_of(self, work: Work, challenge: Challenge | None) -> Account | None:
        if challenge is None or challenge.person is None:
            return None
        return await repository.locked(work.session, challenge.person)


def _by_owner(person: UUID, deed: Deed, what: str) -> Entry:
    return Entry(actor=person, roles=Role.PATIENT, person=person, deed=deed, what=what, purpose=Purpose.PATIENT_REQUEST)


def _invalid_token() -> Problem:
    return Unprocessable(
        errors=[
            FieldError(
                field="token",
                detail="It was never issued, was used, or has expired.",
                remedy="Ask for a new mail and use its token within the hour.",
            )
        ]
    )
