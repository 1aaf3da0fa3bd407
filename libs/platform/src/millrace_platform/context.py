"""Provide the current request's id and route to logs, problems and telemetry."""

from contextvars import ContextVar
from typing import Any

from starlette.types import Scope

request_id: ContextVar[str | None] = ContextVar("millrace_request_id", default=None)
"""Id of the current request; None outside of requests."""

UNMATCHED = "(unmatched)"
EFFECTIVE_ROUTE = "effective_route_context"
"""FastAPI's key in `scope["fastapi"]`."""


def is_probe(path: str) -> bool:
    """Return whether monitoring polls this path or route; such requests aren't traced, and are logged only as debug."""
    return path in ("/healthz", "/readyz") or (path.startswith("/internal/") and path.endswith("/status"))


def route_template(scope: Scope) -> str:
    """Return the path template of the matched route, e.g. `/v1/providers/{npi}`; `UNMATCHED` if there is none.

    For routes of included routers FastAPI stores the full template separately; the route only has its own part.
    """
    included: Any = scope.get("fastapi", {}).get(EFFECTIVE_ROUTE)
    route = included or scope.get("route")
    return getattr(route, "path_format", None) or UNMATCHED
