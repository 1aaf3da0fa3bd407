"""Sets up, checks and removes second factors."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from uuid import UUID

from millrace_feeds.clock import Clock
from millrace_patients.account import repository as accounts
from millrace_patients.email_queue.service import EmailKind, EmailQueue
from millrace_patients.person.vault import PersonKey, Vault
from millrace_patients.second_factor.model import encode_secret, find_step, normalize_code, provisioning_uri
from millrace_patients.second_factor.repository import SecondFactor, SecondFactors
from millrace_patients.session.service import Sessions, session_ended
from millrace_patients.throttle.service import Attempt, Throttle
from millrace_platform.audit.model import Action, AuditEntry, Purpose
from millrace_platform.audit.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_platform.authentication import PRIVILEGED_ROLES, Principal, Role, require_recent
from millrace_platform.errors import Conflict, FieldError, Unprocessable

SIGN_IN_SECONDS = 300.0
"""Maximum age in seconds of the sign-in that authorizes a change of the second factor."""


class CodeCheck(Enum):
    """Result of a sign-in's second step."""

    NOT_SET_UP = auto()
    """The account has no second factor."""
    MISSING = auto()
    WRONG = auto()
    PASSED = auto()


@dataclass(frozen=True, slots=True)
class Enrollment:
    """A new secret, as text to type into an app, and as a URI to show as a QR code."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CodeVerifier:
    """Checks codes of accounts, within a unit of work of the caller."""

    factors: SecondFactors
    vault: Vault
    emails: EmailQueue
    clock: Clock

    async def check(self, work: UnitOfWork, account_id: UUID, code: str | None) -> CodeCheck:
        """Check the code of an app or a recovery code, which are valid once; email a notice of a used recovery code."""
        if not await self.factors.is_set_up(work.session, account_id):
            return CodeCheck.NOT_SET_UP
        if code is None:
            return CodeCheck.MISSING
        key = await self.vault.find(work.session, account_id)
        factor = None if key is None else await self.factors.find_for_update(work.session, key)
        if key is None or factor is None:
            return CodeCheck.WRONG
        if await self.accept_app_code(work, factor, code):
            return CodeCheck.PASSED
        if await self.factors.redeem_recovery_code(work.session, account_id, code):
            await self.send_notice(work, key, EmailKind.RECOVERY_CODE_USED)
            return CodeCheck.PASSED
        return CodeCheck.WRONG

    async def accept_app_code(self, work: UnitOfWork, factor: SecondFactor, code: str) -> bool:
        """Return whether this is a valid code of the app, and mark it as used."""
        now = self.clock.time()
        step = find_step(factor.secret, normalize_code(code), now=now, last_used=factor.last_used_step)
        if step is not None:
            await self.factors.mark_used(work.session, factor.account_id, step)
        return step is not None

    async def send_notice(self, work: UnitOfWork, key: PersonKey, kind: EmailKind) -> None:
        """Email a notice of a change to the account's address."""
        address = await accounts.find_address(work.session, key)
        if address is not None:
            await self.emails.enqueue_notice(
                work, kind, account_id=key.owner, email_index=address.index, email=address.email
            )


@dataclass(frozen=True, slots=True)
class SecondFactorService:
    """Lets callers manage their own second factor. Each method commits before it returns.

    All methods raise 401 unless the sign-in is recent and its session is live.
    """

    units: UnitsOfWork
    verifier: CodeVerifier
    sessions: Sessions
    throttle: Throttle

    async def begin(self, caller: Principal) -> Enrollment:
        """Create a secret, which has no effect until it is confirmed. Problems: 409 if a second factor is set up."""
        async with self.units.begin() as work:
            key = await self._authorize(work, caller)
            if await self.verifier.factors.is_set_up(work.session, caller.subject):
                raise Conflict("A second factor is set up already. Remove it first.")
            created = await self.verifier.factors.create(work.session, key)
            address = await accounts.find_address(work.session, key)
            if address is None:
                raise session_ended()
            uri = provisioning_uri(created.secret, address.email)
        return Enrollment(encode_secret(created.secret), uri)

    async def confirm(self, caller: Principal, code: str, source: str) -> Sequence[str]:
        """Make the secret effective and return recovery codes; the caller's session has passed the second factor.

        Problems: 409 without an unconfirmed secret, 422 for a wrong code, 429 after several.
        """
        attempt = await self._count_attempt(caller, source)
        async with self.units.begin() as work:
            key = await self._authorize(work, caller)
            factor = await self.verifier.factors.find_for_update(work.session, key)
            if factor is None or factor.is_confirmed:
                raise Conflict("There is no second factor to confirm. Begin with `POST /v1/auth/second-factor`.")
            if not await self.verifier.accept_app_code(work, factor, code):
                raise _wrong_code()
            codes = await self.verifier.factors.confirm(work.session, caller.subject, work.now)
            await self.sessions.mark_second_factor(work.session, _session_id(caller))
            await self._finish(work, key, attempt, Action.CREATE, EmailKind.SECOND_FACTOR_ADDED)
        return codes

    async def remove(self, caller: Principal, code: str, source: str) -> None:
        """Remove the second factor. Problems: 409 if a role requires it, 422 for a wrong code, 429 after several."""
        attempt = await self._count_attempt(caller, source)
        async with self.units.begin() as work:
            key = await self._authorize(work, caller)
            account = await accounts.find(work.session, caller.subject)
            if account is None or not PRIVILEGED_ROLES.isdisjoint(account.roles):
                raise Conflict("The role of this account requires a second factor. Replace the recovery codes instead.")
            await self._require_code(work, caller, code)
            await self.verifier.factors.remove(work.session, caller.subject)
            await self._finish(work, key, attempt, Action.DELETE, EmailKind.SECOND_FACTOR_REMOVED)

    async def replace_recovery_codes(self, caller: Principal, code: str, source: str) -> Sequence[str]:
        """Return new recovery codes in place of all earlier ones. Problems: 422 for a wrong code, 429 after several."""
        attempt = await self._count_attempt(caller, source)
        async with self.units.begin() as work:
            key = await self._authorize(work, caller)
            await self._require_code(work, caller, code)
            codes = await self.verifier.factors.replace_recovery_codes(work.session, caller.subject)
            await self._finish(work, key, attempt, Action.UPDATE, EmailKind.RECOVERY_CODES_REPLACED)
        return codes

    async def _authorize(self, work: UnitOfWork, caller: Principal) -> PersonKey:
        """Return the caller's key and lock its row."""
        # An operator's token has no session, and belongs to no account.
        _session_id(caller)
        require_recent(caller, self.verifier.clock, SIGN_IN_SECONDS)
        key = await self.verifier.vault.find_for_update(work.session, caller.subject)
        if key is None:
            raise session_ended()
        return key

    async def _require_code(self, work: UnitOfWork, caller: Principal, code: str) -> None:
        if await self.verifier.check(work, caller.subject, code) is not CodeCheck.PASSED:
            raise _wrong_code()

    async def _count_attempt(self, caller: Principal, source: str) -> Attempt:
        attempt = self.throttle.create_attempt(b"second factor/" + caller.subject.bytes, source, None)
        await self.throttle.count_attempt(attempt)
        return attempt

    async def _finish(
        self, work: UnitOfWork, key: PersonKey, attempt: Attempt, action: Action, kind: EmailKind
    ) -> None:
        await self.throttle.reset_after_success(work.session, attempt)
        await self.verifier.send_notice(work, key, kind)
        work.audit(create_entry(key.owner, action, key.owner))


def create_entry(account_id: UUID, action: Action, actor_id: UUID | None) -> AuditEntry:
    """Return the audit entry of a change; `actor_id` is None for an operator at the command line."""
    return AuditEntry(
        person_id=account_id,
        action=action,
        target="account/second-factor",
        purpose=Purpose.ADMINISTRATION if actor_id is None else Purpose.PATIENT_REQUEST,
        actor_id=actor_id,
        roles="" if actor_id is None else Role.PATIENT,
    )


def _session_id(caller: Principal) -> UUID:
    if caller.session is None:
        raise session_ended()
    return UUID(caller.session)


def _wrong_code() -> Unprocessable:
    detail, remedy = "The code is wrong, or was used already.", "Wait for the app's next code and send that."
    return Unprocessable(errors=[FieldError(field="code", detail=detail, remedy=remedy)])
