"""Provide the current request's id, route, caller and kind to logs, problems and telemetry."""

from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from starlette.types import Scope

request_id: ContextVar[str | None] = ContextVar("millrace_request_id", default=None)
"""Id of the current request; None outside of requests."""

UNMATCHED = "(unmatched)"
HEALTH_PATHS = ("/healthz", "/readyz")
INTERNAL_PREFIX = "/internal/"
EFFECTIVE_ROUTE = "effective_route_context"
"""FastAPI's key in `scope["fastapi"]`."""

_NOTES = "millrace.notes"


class LongRequest(StrEnum):
    """A kind of request that is meant to last: its duration says nothing about the service's speed."""

    POLL = "poll"
    STREAM = "stream"


@dataclass(slots=True)
class RequestNotes:
    """Facts about one request that only its endpoint and dependencies know.

    `caller` is the role of an authenticated caller or the name of a service, never a person; `long` is None for an
    ordinary request.
    """

    caller: str | None = None
    long: LongRequest | None = None


def request_notes(scope: Scope) -> RequestNotes:
    """Return the request's notes, the same ones for all copies of its scope that middleware makes."""
    notes: RequestNotes = scope.setdefault(_NOTES, RequestNotes())
    return notes


def caller(scope: Scope) -> str:
    """Return who sent the request: a role, on internal paths a service, else `anonymous`; never a person."""
    return request_notes(scope).caller or "anonymous"


def service_agent(service: str) -> dict[str, str]:
    """Return the header by which a service or command names itself to other services."""
    return {"User-Agent": f"millrace-{service}"}


def is_probe(path: str) -> bool:
    """Return whether monitoring polls this path or route; such requests aren't traced, and are logged only as debug."""
    return path in HEALTH_PATHS or (path.startswith(INTERNAL_PREFIX) and path.endswith("/status"))


def route_template(scope: Scope) -> str:
    """Return the path template of the matched route, e.g. `/v1/providers/{npi}`; `UNMATCHED` if there is none.

    For routes of included routers FastAPI stores the full template separately; the route only has its own part.
    """
    if scope["path"] in HEALTH_PATHS:  # routes of Starlette, which aren't in the scope
        path: str = scope["path"]
        return path
    included: Any = scope.get("fastapi", {}).get(EFFECTIVE_ROUTE)
    route = included or scope.get("route")
    return getattr(route, "path_format", None) or UNMATCHED
