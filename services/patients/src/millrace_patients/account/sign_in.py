"""Sign-in, token refresh and sign-out."""

from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from millrace_patients.account import repository
from millrace_patients.account.device import create_device_token, verify_device_token
from millrace_patients.account.model import Account
from millrace_patients.account.passwords import Passwords
from millrace_patients.account.publication import revoke_tokens
from millrace_patients.crypto.service_keys import ServiceKeys, compute_mac
from millrace_patients.second_factor.service import CodeCheck, CodeVerifier
from millrace_patients.session.model import SessionPolicy
from millrace_patients.session.service import RefreshableSession, RepeatedResponse, Sessions
from millrace_patients.signing.tokens import TokenIssuer
from millrace_patients.throttle.service import Attempt, Throttle
from millrace_platform.audit.model import Action, AuditEntry, Purpose
from millrace_platform.audit.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_platform.authentication import Principal
from millrace_platform.errors import Problem


@dataclass(frozen=True, slots=True)
class SignInResult:
    """Issued tokens. `expires_in` is the access token's lifetime in seconds; `device_token` is None after a refresh."""

    subject: UUID
    expires_in: int
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    device_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SignInService:
    """Issues and revokes tokens. Each method commits before it returns."""

    units: UnitsOfWork
    keys: ServiceKeys
    throttle: Throttle
    passwords: Passwords
    sessions: Sessions
    policy: SessionPolicy
    codes: CodeVerifier
    issuer: TokenIssuer

    async def sign_in(
        self, email: str, password: str, *, code: str | None, source: str, device: str | None
    ) -> SignInResult:
        """Return new tokens for the canonical address of an account.

        Problems: 401, the same for a wrong password and for an address without an account, and after the right
        password without a right code of the account's second factor; 429 if earlier attempts require a wait.
        """
        index = self.keys.index_email(email)
        device_id = verify_device_token(self.keys.device, index, device)
        attempt = self.throttle.create_attempt(index, source, device_id)
        await self.throttle.count_attempt(attempt)
        async with self.units.database.read() as session:
            account = await repository.find_by_email_index(session, index)
        if not await self.passwords.verify(account.password_hash if account else None, password) or account is None:
            await self._record_refusal(account, source)
            raise _wrong_credentials()
        if device is None or device_id is None:
            device = create_device_token(self.keys.device, index)
        new_hash = await self._rehash_if_outdated(account, password)
        result = await self._begin_session(account, attempt, new_hash, device=device, code=code, source=source)
        if isinstance(result, CodeCheck):
            raise _code_required(result)
        return result

    async def refresh(self, token: str, *, source: str, agent: str, device: str | None) -> SignInResult:
        """Exchange a refresh token for new tokens; repeat the result if the same device sends it again within seconds.

        A device is recognized by its device token, or else by its source and `User-Agent`. Problems: 401 if the token
        is invalid; reuse also ends its session.
        """
        client = compute_mac(self.keys.device, "refresh", *((source, agent) if device is None else (device,)))
        async with self.units.begin() as work:
            result = await self._refresh(work, token, client)
        # Raise after the commit, which ends the session of a reused token.
        if result is None:
            raise _session_ended()
        return result

    async def _refresh(self, work: UnitOfWork, token: str, client: bytes) -> SignInResult | None:
        used = await self.sessions.use_token(work.session, token, client, work.now)
        if isinstance(used, RepeatedResponse):
            return msgspec.json.decode(used.body, type=SignInResult)
        account = None if used is None else await repository.find(work.session, used.account_id)
        if used is None or account is None:
            return None
        refreshed = await self.sessions.resume(work.session, used, self.policy.limits(account.roles), work.now)
        if refreshed is None:
            return None
        result = self._result(account, refreshed)
        await self.sessions.save_response(work.session, token, msgspec.json.encode(result))
        return result

    async def sign_out(self, token: str) -> None:
        """End the session of a refresh token; ignore an unknown token."""
        async with self.units.begin() as work:
            await self.sessions.end(work.session, token, work.now)

    async def sign_out_everywhere(self, caller: Principal) -> None:
        """End all sessions of the caller, and refuse their access tokens."""
        async with self.units.begin() as work:
            await self.sessions.end_all(work.session, caller.subject, work.now)
            await revoke_tokens(work, caller.subject)

    async def _begin_session(
        self, account: Account, attempt: Attempt, new_hash: str | None, *, device: str, code: str | None, source: str
    ) -> SignInResult | CodeCheck:
        """Return the tokens of a new session, or the result of the check of `code` if that refuses it."""
        async with self.units.begin() as work:
            current = await repository.find_for_update(work.session, account.id)
            if current is None or current.password_hash != account.password_hash:
                # Changed or erased while the password was verified.
                raise _wrong_credentials()
            check = await self.codes.check(work, account.id, code)
            if check in (CodeCheck.MISSING, CodeCheck.WRONG):
                # Committed, so that the owner sees that another person may know the password.
                work.audit(_session_entry(account.id, Action.REFUSE, source, target="second-factor"))
                return check
            if new_hash is not None:
                await repository.set_password(work.session, account.id, new_hash)
            await self.throttle.reset_after_success(work.session, attempt)
            roles = ",".join(sorted(current.roles))
            work.audit(_session_entry(account.id, Action.SIGN_IN, source, actor_id=account.id, roles=roles))
            session = await self.sessions.begin(
                work.session,
                account.id,
                self.policy.limits(current.roles),
                work.now,
                has_second_factor=check is CodeCheck.PASSED,
            )
        return self._result(current, session, device)

    async def _record_refusal(self, account: Account | None, source: str) -> None:
        """Record a refused sign-in; without an account too, because it must take as long.

        The entry is then about no person: an id that is derived from the source stands for one.
        """
        nobody = UUID(bytes=compute_mac(self.keys.device, "refused source", source)[:16])
        async with self.units.begin() as work:
            work.audit(_session_entry(nobody if account is None else account.id, Action.REFUSE, source))

    async def _rehash_if_outdated(self, account: Account, password: str) -> str | None:
        """Return a new hash of the password if the stored one has outdated parameters, else None."""
        if account.password_hash is None or not self.passwords.needs_rehash(account.password_hash):
            return None
        return await self.passwords.hash(password)

    def _result(self, account: Account, refreshed: RefreshableSession, device: str | None = None) -> SignInResult:
        token = self.issuer.issue(
            account.id,
            roles=account.roles,
            practices=account.practice_ids,
            session=refreshed.session.id,
            authenticated_at=refreshed.session.created_at,
            has_second_factor=refreshed.session.has_second_factor,
        )
        return SignInResult(account.id, int(self.issuer.lifetime), token, refreshed.token, device)


def _session_entry(
    person_id: UUID,
    action: Action,
    source: str,
    *,
    actor_id: UUID | None = None,
    roles: str = "",
    target: str = "session",
) -> AuditEntry:
    return AuditEntry(
        actor_id=actor_id,
        roles=roles,
        person_id=person_id,
        action=action,
        target=target,
        purpose=Purpose.PATIENT_REQUEST,
        source=source,
    )


def _wrong_credentials() -> Problem:
    return Problem(
        status=401,
        type="wrong-credentials",
        title="The email address or the password is wrong",
        detail="Check both. After a sign-up, first follow the link in the email.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _code_required(check: CodeCheck) -> Problem:
    is_missing = check is CodeCheck.MISSING
    return Problem(
        status=401,
        type="second-factor-required" if is_missing else "wrong-code",
        title="The account has a second factor" if is_missing else "The code is wrong, or was used already",
        detail="Send the app's current code, or a recovery code, as `code`."
        if is_missing
        else "Wait for the app's next code and send that, or a recovery code.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _session_ended() -> Problem:
    return Problem(
        status=401,
        type="session-ended",
        title="The session has ended",
        detail="Sign in again.",
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )
