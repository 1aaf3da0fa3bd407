"""HTTP conventions of the directory: resources with ETags, pages, merge patches, and their documentation."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
from fastapi import Body as BodyParameter
from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from millrace_directory.reading import Page
from millrace_directory.schemas import Body
from millrace_directory.wire import CLEAN, VersionedEntity
from millrace_platform.openapi import PROBLEMS, described_problems
from millrace_platform.pagination import CursorText, Limit, next_link
from millrace_platform.preconditions import Tags, etag
from millrace_platform.responses import json_response

MERGE_PATCH = "application/merge-patch+json"
B = TypeVar("B", bound=Body)


def resource(versioned: VersionedEntity[Any]) -> dict[str, Any]:
    """Return an entity as the JSON object of REST: with its version, without the fields that the refinery adds."""
    fields = msgspec.to_builtins(versioned.entity)
    return {name: value for name, value in fields.items() if name not in CLEAN} | {"version": versioned.version}


def read_response(versioned: VersionedEntity[Any], known: Tags) -> Response:
    """Return the response with the resource and its ETag; 304 if the client already has this version."""
    headers = {"ETag": etag(versioned.version)}
    if known.match_weakly(versioned.version):
        return Response(status_code=304, headers=headers)
    return json_response(resource(versioned), headers=headers)


def created_response(request: Request, versioned: VersionedEntity[Any]) -> Response:
    """Return the response with the new resource: 201 with `Location` and ETag."""
    key = versioned.subject.rpartition("/")[2]
    headers = {"ETag": etag(versioned.version), "Location": f"{request.url.path}/{key}"}
    return json_response(resource(versioned), status=201, headers=headers)


def changed_response(versioned: VersionedEntity[Any]) -> Response:
    """Return the response with the changed resource and its new ETag."""
    return json_response(resource(versioned), headers={"ETag": etag(versioned.version)})


def page_response(request: Request, page: Page[Any]) -> Response:
    """Return the response with a page, and a `Link` to the next page if there is one."""
    body = {"items": [resource(each) for each in page.items], "next": page.next}
    return json_response(body, headers={} if page.next is None else {"Link": next_link(request, page.next)})


def merge(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return `target` with a JSON merge patch applied (RFC 7396).

    In the patch, null removes a member, an object is merged, and anything else replaces the member.
    """
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            below = merged.get(name)
            merged[name] = merge(below if isinstance(below, dict) else {}, value)
        else:
            merged[name] = value
    return merged


def patched_body(schema: type[B], patch: dict[str, Any]) -> Callable[[VersionedEntity[Any]], B]:
    """Return a function that applies a merge patch to a resource and validates the result.

    The function raises `RequestValidationError` (422) if the result is invalid.
    """

    def apply(versioned: VersionedEntity[Any]) -> B:
        try:
            return schema.model_validate(merge(resource(versioned), patch))
        except ValidationError as error:
            errors = error.errors(include_url=False)
            raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in errors]) from error

    return apply


MergePatch: TypeAlias = Annotated[
    dict[str, Any], BodyParameter(media_type=MERGE_PATCH, description="JSON merge patch (RFC 7396).")
]


@dataclass(frozen=True, slots=True)
class Paging:
    """The requested page of a list: its maximum size, and the cursor (None: the first page)."""

    limit: int
    cursor: str | None


# A coroutine, because FastAPI would create the dataclass in a thread.
async def _paging(limit: Limit = 50, cursor: CursorText = None) -> Paging:
    return Paging(limit, cursor)


InPaging: TypeAlias = Annotated[Paging, Depends(_paging)]


problems = partial(
    described_problems,
    {
        **PROBLEMS,
        404: "The resource does not exist, or the caller can't change it.",
        409: "The resource already exists, or other resources need it.",
        503: "The service or the issuer of access tokens is unavailable.",
    },
)

LIST = problems(422)
READ = {304: {"description": "The resource still has a version in `If-None-Match`."}, **problems(404, 422)}
CREATE = problems(401, 403, 409, 415, 422, 503)
CHANGE = problems(401, 403, 404, 409, 412, 415, 422, 428, 503)
