"""REST API of accounts: `/v1/auth`."""

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Response

from millrace_patients.account.schemas import (
    AccountCreated,
    Credentials,
    EmailBody,
    PasswordChange,
    RefreshBody,
    RolesBody,
    RolesResource,
    SessionBody,
    TokenAndPassword,
    Tokens,
)
from millrace_patients.challenge.service import ChallengeKind
from millrace_patients.dependencies import InIdentity, InSource, problems
from millrace_platform.authentication import InPrincipal, Principal, Role, require
from millrace_platform.responses import NO_STORE

router = APIRouter(prefix="/v1/auth", tags=["accounts"])

InAdmin: TypeAlias = Annotated[Principal, Depends(require(Role.ADMIN))]


@router.post("/sign-up", summary="Sign up", status_code=202, responses=problems(415, 422, 429))
async def sign_up(identity: InIdentity, source: InSource, body: EmailBody) -> None:
    """Email a token for `verify-email`. The response is the same if the address already has an account."""
    await identity.registration.request_token(ChallengeKind.SIGN_UP, body.email, source)


@router.post("/verify-email", summary="Complete a sign-up", status_code=201, responses=problems(415, 422))
async def verify_email(identity: InIdentity, body: TokenAndPassword) -> AccountCreated:
    """Create an account with this password for the emailed token, which is valid once, within an hour."""
    token, password = body.token.get_secret_value(), body.password.get_secret_value()
    return AccountCreated(id=await identity.registration.create_account(token, password))


@router.post("/sign-in", summary="Sign in", responses=problems(401, 415, 422, 429, 503))
async def sign_in(identity: InIdentity, source: InSource, body: Credentials, response: Response) -> Tokens:
    """Return an access token and a refresh token. An account with a second factor needs a `code`.

    Staff, support and administrators without one can only set it up: their access tokens don't have these roles.

    After several failures the next attempt must wait (429 with `Retry-After`). Failures from other devices do not delay
    attempts with a `device_token` of an earlier sign-in.
    """
    device = body.device_token.get_secret_value() if body.device_token else None
    code = body.code.get_secret_value() if body.code else None
    password = body.password.get_secret_value()
    result = await identity.sign_in.sign_in(body.email, password, code=code, source=source, device=device)
    response.headers.update(NO_STORE)
    return Tokens.model_validate(result, from_attributes=True)


@router.post("/refresh", summary="Refresh tokens", responses=problems(401, 415, 422))
async def refresh_tokens(
    identity: InIdentity,
    source: InSource,
    body: RefreshBody,
    response: Response,
    user_agent: Annotated[str, Header(include_in_schema=False)] = "",
) -> Tokens:
    """Exchange a refresh token for new tokens. A token that is used twice ends its session.

    The same device gets the same response for 10 seconds: two tabs may refresh at once, or a response may be lost. A
    device is recognized by its `device_token`, or else by its address and `User-Agent`.
    """
    device = body.device_token.get_secret_value() if body.device_token else None
    token = body.refresh_token.get_secret_value()
    result = await identity.sign_in.refresh(token, source=source, agent=user_agent, device=device)
    response.headers.update(NO_STORE)
    return Tokens.model_validate(result, from_attributes=True)


@router.post("/sign-out", summary="Sign out", status_code=204, responses=problems(415, 422))
async def sign_out(identity: InIdentity, body: SessionBody) -> None:
    """End the session of a refresh token. Other services accept its access tokens until they expire, for minutes."""
    await identity.sign_in.sign_out(body.refresh_token.get_secret_value())


@router.post("/sign-out-everywhere", summary="Sign out on all devices", status_code=204, responses=problems(401))
async def sign_out_everywhere(identity: InIdentity, caller: InPrincipal) -> None:
    """End all sessions of the caller. All services refuse their access tokens within seconds."""
    await identity.sign_in.sign_out_everywhere(caller)


@router.post("/password-reset", summary="Request a password reset", status_code=202, responses=problems(415, 422, 429))
async def request_password_reset(identity: InIdentity, source: InSource, body: EmailBody) -> None:
    """Email a token for `password-reset/confirm`. The response is the same if there is no account."""
    await identity.registration.request_token(ChallengeKind.PASSWORD_RESET, body.email, source)


@router.post("/password-reset/confirm", summary="Reset a password", status_code=204, responses=problems(415, 422))
async def reset_password(identity: InIdentity, source: InSource, body: TokenAndPassword) -> None:
    """Set a new password for the emailed token, and end all sessions."""
    token, password = body.token.get_secret_value(), body.password.get_secret_value()
    await identity.registration.reset_password(token, password, source)


@router.post("/password", summary="Change the password", status_code=204, responses=problems(401, 415, 422, 429, 503))
async def change_password(identity: InIdentity, caller: InPrincipal, source: InSource, body: PasswordChange) -> None:
    """Replace the caller's password, and end all sessions. Wrong current passwords count as those of a sign-in."""
    current, password = body.current_password.get_secret_value(), body.password.get_secret_value()
    await identity.registration.change_password(caller, current, password, source)


@router.get("/accounts/{account_id}/roles", summary="Get an account's roles", responses=problems(401, 403, 404, 422))
async def get_account_roles(identity: InIdentity, caller: InAdmin, account_id: UUID) -> RolesResource:
    """Return the roles and practices of an account. Accessible to administrators only."""
    return RolesResource.of(await identity.roles.get(caller, account_id))


@router.put(
    "/accounts/{account_id}/roles", summary="Set an account's roles", responses=problems(401, 403, 404, 415, 422, 503)
)
async def set_account_roles(identity: InIdentity, caller: InAdmin, account_id: UUID, body: RolesBody) -> RolesResource:
    """Replace the roles and practices of an account, effective with its next access token; earlier ones are refused.

    Accessible to administrators only.
    """
    roles, practices = tuple(sorted(set(body.roles))), tuple(sorted(set(body.practices)))
    return RolesResource.of(await identity.roles.set(caller, account_id, roles, practices))
