"""What is known of the request that is being answered, for logs and problems."""

from contextvars import ContextVar
from typing import Any

from starlette.types import Scope

request_id: ContextVar[str | None] = ContextVar("millrace_request_id", default=None)
"""Id of the request at hand; None outside of any."""

UNMATCHED = "(unmatched)"
EFFECTIVE_ROUTE = "effective_route_context"
"""FastAPI's key in `scope["fastapi"]`."""


def is_probe(path: str) -> bool:
    """Whether machines ask this path or route every few seconds: not worth a log line or a span."""
    return path in ("/healthz", "/readyz") or (path.startswith("/internal/") and path.endswith("/status"))


def route_template(scope: Scope) -> str:
    """The path template of the route that answered, e.g. `/v1/providers/{npi}`; never the path itself.

    FastAPI keeps the full template of a route from an included router beside the route, which knows only its own part.
    """
    included: Any = scope.get("fastapi", {}).get(EFFECTIVE_ROUTE)
    route = included or scope.get("route")
    return getattr(route, "path_format", None) or UNMATCHED
