"""Authenticate the callers of `/internal` endpoints: services by their tokens, operators by an admin's access token."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.routing import BaseRoute

from millrace_platform import authentication
from millrace_platform.authentication import Role
from millrace_platform.context import INTERNAL_PREFIX, request_notes
from millrace_platform.errors import Forbidden, Unauthenticated
from millrace_platform.service_tokens import OPERATOR, CallPurpose, ServiceCall, ServiceTokenVerifier, is_service_token
from millrace_platform.tokens import InvalidTokenError

_bearer = HTTPBearer(
    scheme_name="Internal",
    auto_error=False,
    bearerFormat="JWT",
    description="The token of a service, or an admin's access token.",
)


class InternalAccess:
    """Dependency of an `/internal` endpoint: admits requests for its purpose, and responds with 401 or 403 to others.

    Services must be named in `services`. Operators are admins with an access token and, on a platform of one machine,
    `millrace` commands; they are admitted unless `operators` is False.
    """

    def __init__(self, purpose: CallPurpose, services: Iterable[str], *, operators: bool) -> None:
        self.purpose = purpose
        self.callers = (*services, OPERATOR) if operators else tuple(services)
        self._operators = operators

    async def __call__(
        self, request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> None:
        if credentials is None:
            raise Unauthenticated(
                "Internal paths require a token. Send a service's token or an admin's as `Authorization: Bearer …`."
            )
        if not is_service_token(credentials.credentials):
            await self._admit_admin(request, credentials)
            return
        call = _verify(request.app.state.service_tokens, credentials.credentials)
        request_notes(request.scope).caller = call.caller
        if call.caller not in self.callers or call.purpose != self.purpose:
            raise Forbidden("The token is for other requests. Sign it for the purpose of this endpoint.")

    async def _admit_admin(self, request: Request, credentials: HTTPAuthorizationCredentials) -> None:
        caller = await authentication.principal(request, credentials)
        if not self._operators:
            raise Forbidden("Only services call this endpoint. Use the public API.")
        if not caller.has(Role.ADMIN):
            raise Forbidden(f"Required role: {Role.ADMIN}. Sign in with such an account.")


def _verify(tokens: ServiceTokenVerifier, token: str) -> ServiceCall:
    try:
        return tokens.verify(token)
    except InvalidTokenError as error:
        raise Unauthenticated(
            "The service's token is invalid or expired. Check the keys of both services.", error="invalid_token"
        ) from error


def for_operators(purpose: CallPurpose) -> Any:
    """Return the dependency of an endpoint for operators: `@router.get("/status", dependencies=[for_operators(…)])`."""
    return Depends(InternalAccess(purpose, (), operators=True))


def for_services(purpose: CallPurpose, *services: str) -> Any:
    """Return the dependency of an endpoint that only these services may call, and no operator."""
    return Depends(InternalAccess(purpose, services, operators=False))


def require_internal_access(app: FastAPI) -> None:
    """Raise `ValueError` if an `/internal` endpoint admits callers without `for_operators` or `for_services`."""
    found = [
        str(context.path)
        for context in iter_route_contexts(app.routes)
        if (context.path or "").startswith(INTERNAL_PREFIX) and internal_access(context.original_route) is None
    ]
    if found:
        raise ValueError(f"internal endpoints that don't check their callers: {', '.join(found)}")


def internal_access(route: BaseRoute) -> InternalAccess | None:
    """Return the check of a route's callers, None if it has none."""
    declared = [each.dependency for each in route.dependencies] if isinstance(route, APIRoute) else []
    return next((each for each in declared if isinstance(each, InternalAccess)), None)
