"""REST for accounts: `/v1/auth`."""

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from millrace_patients.account.schemas import (
    AccountCreated,
    Credentials,
    EmailBody,
    RefreshBody,
    RolesBody,
    RolesResource,
    TokenAndPassword,
    Tokens,
)
from millrace_patients.challenge.service import ChallengeKind
from millrace_patients.dependencies import InIdentity, InSource
from millrace_patients.http import problems
from millrace_platform.authentication import InPrincipal, Principal, Role, require
from millrace_platform.responses import NO_STORE

router = APIRouter(prefix="/v1/auth", tags=["accounts"])

InAdmin: TypeAlias = Annotated[Principal, Depends(require(Role.ADMIN))]


@router.post("/sign-up", summary="Sign up", status_code=202, responses=problems(415, 422, 429))
async def sign_up(identity: InIdentity, source: InSource, body: EmailBody) -> None:
    """Sends a mail with the token for `verify-email`. The answer is the same where the address has an account."""
    await identity.registration.ask(ChallengeKind.SIGN_UP, body.email, source)


@router.post("/verify-email", summary="Finish the sign-up", status_code=201, responses=problems(415, 422))
async def verify_email(identity: InIdentity, body: TokenAndPassword) -> AccountCreated:
    """Makes the account with this password. The token is good for one use within an hour."""
    token, password = body.token.get_secret_value(), body.password.get_secret_value()
    return AccountCreated(id=await identity.registration.sign_up(token, password))


@router.post("/sign-in", summary="Sign in", responses=problems(401, 415, 422, 429, 503))
async def sign_in(identity: InIdentity, source: InSource, body: Credentials, response: Response) -> Tokens:
    """After some failures the next try has to wait (429, `Retry-After`). A `device_token` has tries of its own."""
    device = body.device_token.get_secret_value() if body.device_token else None
    signed_in = await identity.signing_in.sign_in(
        body.email, body.password.get_secret_value(), source=source, device=device
    )
    response.headers.update(NO_STORE)
    return Tokens.of(signed_in)


@router.post("/refresh", summary="Get new tokens", responses=problems(401, 415, 422))
async def refresh(identity: InIdentity, body: RefreshBody, response: Response) -> Tokens:
    """Exchanges a refresh token. One that is used twice ends its session, for whoever stole it and for its owner."""
    signed_in = await identity.signing_in.refresh(body.refresh_token.get_secret_value())
    response.headers.update(NO_STORE)
    return Tokens.of(signed_in)


@router.post("/sign-out", summary="Sign out", status_code=204, responses=problems(415, 422))
async def sign_out(identity: InIdentity, body: RefreshBody) -> None:
    """Ends the session of a refresh token. Access tokens expire by themselves within minutes."""
    await identity.signing_in.sign_out(body.refresh_token.get_secret_value())


@router.post("/sign-out-everywhere", summary="Sign out on all devices", status_code=204, responses=problems(401))
async def sign_out_everywhere(identity: InIdentity, caller: InPrincipal) -> None:
    """Ends all sessions of the caller."""
    await identity.signing_in.sign_out_everywhere(caller)


@router.post("/password-reset", summary="Ask for a new password", status_code=202, responses=problems(415, 422, 429))
async def ask_for_reset(identity: InIdentity, source: InSource, body: EmailBody) -> None:
    """Sends a mail with the token for `password-reset/confirm`. The answer is the same without an account."""
    await identity.registration.ask(ChallengeKind.PASSWORD_RESET, body.email, source)


@router.post("/password-reset/confirm", summary="Set a new password", status_code=204, responses=problems(415, 422))
async def reset_password(identity: InIdentity, source: InSource, body: TokenAndPassword) -> None:
    """Sets the password and ends all sessions."""
    token, password = body.token.get_secret_value(), body.password.get_secret_value()
    await identity.registration.reset_password(token, password, source)


@router.get("/accounts/{account_id}/roles", summary="Get an account's roles", responses=problems(401, 403, 404, 422))
async def get_roles(identity: InIdentity, caller: InAdmin, account_id: UUID) -> RolesResource:
    """For administrators."""
    return RolesResource.of(await identity.roles.get(caller, account_id))


@router.put(
    "/accounts/{account_id}/roles", summary="Set an account's roles", responses=problems(401, 403, 404, 415, 422)
)
async def set_roles(identity: InIdentity, caller: InAdmin, account_id: UUID, body: RolesBody) -> RolesResource:
    """For administrators. The account has them from its next access token on."""
    roles, practices = tuple(sorted(set(body.roles))), tuple(sorted(set(body.practices)))
    return RolesResource.of(await identity.roles.set(caller, account_id, roles, practices))
