"""Sign-in and what follows from it."""

from dataclasses import dataclass, field
from uuid import UUID

from millrace_patients.account import repository
from millrace_patients.account.device import device_token, known_device
from millrace_patients.account.model import Account, normalized_email
from millrace_patients.account.passwords import Passwords
from millrace_patients.crypto.service_keys import ServiceKeys
from millrace_patients.session.service import Refreshable, Sessions
from millrace_patients.signing.tokens import Issuer
from millrace_patients.throttle.service import Attempt, Throttle
from millrace_patients.unit_of_work import Units
from millrace_platform.authentication import Principal
from millrace_platform.errors import Problem


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a client is given. `device_token` comes with a sign-in only."""

    subject: UUID
    expires_in: int
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    device_token: str | None = field(default=None, repr=False)


class WrongCredentials(Problem):  # named as the platform's problems are
    """One answer for a wrong password and for an address without an account."""

    def __init__(self) -> None:
        super().__init__(
            status=401,
            type="wrong-credentials",
            title="The e-mail address or the password is wrong",
            detail="Check both. After a sign-up, first follow the link in the mail.",
            headers={"WWW-Authenticate": "Bearer"},
        )


class EndedSession(Problem):  # named as the platform's problems are
    """One answer for every refresh token that isn't good."""

    def __init__(self) -> None:
        super().__init__(
            status=401,
            type="session-ended",
            title="The session has ended",
            detail="Sign in again.",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        )


@dataclass(frozen=True, slots=True)
class SigningIn:
    """Each method commits before it returns."""

    units: Units
    keys: ServiceKeys
    throttle: Throttle
    passwords: Passwords
    sessions: Sessions
    issuer: Issuer

    async def sign_in(self, email: str, password: str, *, source: str, device: str | None) -> SignedIn:
        """Problems: 401 (`WrongCredentials`), 429 where this comes too early after others."""
        index = self.keys.index_of(normalized_email(email))
        known = known_device(self.keys.device, index, device)
        attempt = self.throttle.attempt(index, source, known)
        await self.throttle.begin(attempt)
        async with self.units.database.read() as session:
            account = await repository.by_index(session, index)
        if not await self.passwords.match(account.password if account else None, password) or account is None:
            raise WrongCredentials
        kept = device if known is not None else None
        return await self._begin(account, attempt, await self._renewed(account, password), kept or self._device(index))

    async def refresh(self, token: str) -> SignedIn:
        """A 401 problem (`EndedSession`) where the token isn't good; its session has ended if it was used before."""
        async with self.units.begin() as work:
            continued = await self.sessions.rotate(work.session, token, work.now)
            owner = None if continued is None else continued.session.account_id
            account = None if owner is None else await repository.by_id(work.session, owner)
        # Raised only behind the commit: it ends the session of a token that came twice.
        if continued is None or account is None:
            raise EndedSession
        return self._signed_in(account, continued)

    async def sign_out(self, token: str) -> None:
        """End the session of a refresh token, if it has one."""
        async with self.units.begin() as work:
            await self.sessions.end(work.session, token, work.now)

    async def sign_out_everywhere(self, caller: Principal) -> None:
        """End all sessions of the caller."""
        async with self.units.begin() as work:
            await self.sessions.end_all(work.session, caller.subject, work.now)

    async def _begin(self, account: Account, attempt: Attempt, renewed: str | None, device: str) -> SignedIn:
        async with self.units.begin() as work:
            now = await repository.locked(work.session, account.id)
            if now is None or now.password != account.password:
                # It was changed or erased while the password was compared.
                raise WrongCredentials
            if renewed is not None:
                await repository.set_password(work.session, account.id, renewed)
            await self.throttle.succeeded(work.session, attempt)
            begun = await self.sessions.begin(work.session, account.id, work.now)
        return self._signed_in(now, begun, device)

    async def _renewed(self, account: Account, password: str) -> str | None:
        """A hash with today's parameters, where the account's has older ones."""
        if account.password is None or not self.passwords.is_outdated(account.password):
            return None
        return await self.passwords.hash(password)

    def _device(self, index: bytes) -> str:
        return device_token(self.keys.device, index)

    def _signed_in(self, account: Account, continued: Refreshable, device: str | None = None) -> SignedIn:
        token = self.issuer.token(
            account.id,
            roles=account.roles,
            practices=account.practices,
            session=continued.session.id,
            authenticated_at=continued.session.created_at,
        )
        return SignedIn(account.id, int(self.issuer.lifetime), token, continued.token, device)
