"""REST API of second factors: `/v1/auth/second-factor`."""

from fastapi import APIRouter, Response

from millrace_patients.dependencies import InIdentity, InSource, problems
from millrace_patients.second_factor.schemas import CodeBody, EnrollmentResource, RecoveryCodes
from millrace_platform.authentication import InPrincipal
from millrace_platform.responses import NO_STORE

router = APIRouter(prefix="/v1/auth/second-factor", tags=["accounts"])


@router.post("", summary="Begin to set up a second factor", status_code=201, responses=problems(401, 409))
async def create_second_factor(identity: InIdentity, caller: InPrincipal, response: Response) -> EnrollmentResource:
    """Return a secret for an authenticator app (TOTP, RFC 6238). Requires a sign-in within the last five minutes."""
    response.headers.update(NO_STORE)
    created = await identity.second_factor.begin(caller)
    return EnrollmentResource.model_validate(created, from_attributes=True)


@router.post("/confirm", summary="Confirm a second factor", responses=problems(401, 409, 415, 422, 429))
async def confirm_second_factor(
    identity: InIdentity, caller: InPrincipal, source: InSource, body: CodeBody, response: Response
) -> RecoveryCodes:
    """Make the second factor effective with a code of the app, and return recovery codes.

    The session has passed the second factor: the next refresh returns an access token with all roles.
    """
    response.headers.update(NO_STORE)
    codes = await identity.second_factor.confirm(caller, body.code.get_secret_value(), source)
    return RecoveryCodes(recovery_codes=list(codes))


@router.post("/recovery-codes", summary="Replace the recovery codes", responses=problems(401, 415, 422, 429))
async def replace_recovery_codes(
    identity: InIdentity, caller: InPrincipal, source: InSource, body: CodeBody, response: Response
) -> RecoveryCodes:
    """Return new recovery codes; earlier ones become invalid."""
    response.headers.update(NO_STORE)
    codes = await identity.second_factor.replace_recovery_codes(caller, body.code.get_secret_value(), source)
    return RecoveryCodes(recovery_codes=list(codes))


@router.post(
    "/remove", summary="Remove the second factor", status_code=204, responses=problems(401, 409, 415, 422, 429)
)
async def remove_second_factor(identity: InIdentity, caller: InPrincipal, source: InSource, body: CodeBody) -> None:
    """Remove the second factor, which the roles staff, support and admin require."""
    await identity.second_factor.remove(caller, body.code.get_secret_value(), source)
