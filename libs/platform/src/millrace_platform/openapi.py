"""How services describe themselves: problems have one form everywhere, so one description."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from millrace_platform.problems import PROBLEM_MEDIA_TYPE

_TEXT: Final = {"type": "string"}
SCHEMAS: Final[Mapping[str, Any]] = {
    "FieldProblem": {
        "title": "FieldProblem",
        "description": "One thing wrong with a request.",
        "type": "object",
        "required": ["field", "detail", "remedy"],
        "properties": {
            "field": {**_TEXT, "examples": ["address.zip"]},
            "detail": {**_TEXT, "examples": ["'00000' is not a known ZIP code."]},
            "remedy": {**_TEXT, "examples": ["ZIP codes like it: 00501."]},
        },
    },
    "Problem": {
        "title": "Problem",
        "description": "What went wrong (RFC 9457).",
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {**_TEXT, "examples": ["urn:millrace:problem:invalid-request"]},
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
            "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldProblem"}},
            "request_id": _TEXT,
        },
    },
}

HEADERS: Final[Mapping[str, Any]] = {
    "idempotency-key": {
        "required": True,
        "schema": {**_TEXT, "pattern": r'^("[!#-\[\]-~]{1,255}"|[!#-\[\]-~]{1,255})$'},
    }
}
"""Headers that are refused with a status of their own where they are missing, so FastAPI isn't told to require them."""


PROBLEMS: Final[Mapping[int, str]] = {
    400: "A header is missing or can't be understood.",
    401: "No valid access token.",
    403: "Not for the role of the caller.",
    404: "There is no such resource, or the caller may not know of it.",
    409: "It conflicts with what is there.",
    412: "The resource has another version than `If-Match` names.",
    415: "The body isn't JSON.",
    422: "Fields are invalid; `errors` names each with its remedy.",
    428: "`If-Match` is missing.",
    429: "Too many requests; `Retry-After` says how long to wait.",
    503: "The service can't answer now.",
}
"""What the statuses of problems mean, where a service has nothing more exact to say."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """An endpoint's `responses`: its problems, each with what it means everywhere."""
    return described_problems(PROBLEMS, *statuses)


def described_problems(descriptions: Mapping[int, str], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """An endpoint's `responses`: its problems, each with what it means in this service."""
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": descriptions[status], "content": content} for status in statuses}


def operation_id(route: APIRoute) -> str:
    """Return the route's name in camelCase, e.g. `listPractices` for the endpoint `list_practices`."""
    first, *others = route.name.split("_")
    return first + "".join(word.capitalize() for word in others)


def require_unique_operation_ids(app: FastAPI) -> None:
    """Raise `ValueError` if two documented endpoints have the same operation id."""
    routes = (context.original_route for context in iter_route_contexts(app.routes))
    documented = [route for route in routes if isinstance(route, APIRoute) and route.include_in_schema]
    counts = Counter(route.operation_id or operation_id(route) for route in documented)
    repeated = [identifier for identifier, count in counts.items() if count > 1]
    if repeated:
        raise ValueError(f"rename endpoints that share an operation id: {', '.join(repeated)}")


class DescribedApplication(FastAPI):
    """Its document has the schemas that problems refer to, and says which headers are required."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        for operation in (operation for item in document["paths"].values() for operation in item.values()):
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "header":
                    parameter.update(HEADERS.get(parameter["name"], {}))
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for name, schema in SCHEMAS.items():
            schemas.setdefault(name, schema)
        return document
