"""Complete the OpenAPI documents of services: operation ids, and the problem responses that services share."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from millrace_platform.context import INTERNAL_PREFIX
from millrace_platform.problems import PROBLEM_MEDIA_TYPE

_TEXT: Final = {"type": "string"}
SCHEMAS: Final[Mapping[str, Any]] = {
    "FieldProblem": {
        "title": "FieldProblem",
        "description": "An invalid field of a request.",
        "type": "object",
        "required": ["field", "detail", "remedy"],
        "properties": {
            "field": {**_TEXT, "examples": ["address.zip"]},
            "detail": {**_TEXT, "examples": ["'00000' is not a known ZIP code."]},
            "remedy": {**_TEXT, "examples": ["Use a known ZIP code, such as 00501."]},
        },
    },
    "Problem": {
        "title": "Problem",
        "description": "An error response (RFC 9457).",
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
"""Required headers; FastAPI documents them as optional, because our code responds to a missing one (400)."""


PROBLEMS: Final[Mapping[int, str]] = {
    400: "A header is missing or malformed.",
    401: "The access token is missing, invalid or expired.",
    403: "The caller's role does not permit this request.",
    404: "The resource does not exist, or the caller can't view it.",
    409: "The request conflicts with the state of the resource.",
    412: "The resource's version does not match `If-Match`.",
    415: "The media type of the body is not JSON.",
    422: "Fields are invalid; `errors` lists each with its remedy.",
    428: "`If-Match` is missing.",
    429: "Too many requests; retry after `Retry-After` seconds.",
    503: "The service is temporarily unavailable; retry after `Retry-After` seconds.",
}
"""Default descriptions of problem responses, by status."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` argument of an endpoint with these problem statuses and their default descriptions."""
    return described_problems(PROBLEMS, *statuses)


def described_problems(descriptions: Mapping[int, str], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` argument of an endpoint with these problem statuses and descriptions."""
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


class ServiceApplication(FastAPI):
    """A FastAPI application whose OpenAPI document contains the problem schemas and marks required headers.

    Operations under `/internal` have the problems of the check of their callers.
    """

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        for path, item in document["paths"].items():
            for operation in item.values() if path.startswith(INTERNAL_PREFIX) else ():
                for status, response in problems(401, 403, 503).items():
                    operation["responses"].setdefault(str(status), response)
        for operation in (operation for item in document["paths"].values() for operation in item.values()):
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "header":
                    parameter.update(HEADERS.get(parameter["name"], {}))
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for name, schema in SCHEMAS.items():
            schemas.setdefault(name, schema)
        return document
