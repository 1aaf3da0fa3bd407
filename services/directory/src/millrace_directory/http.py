"""The directory's manners over HTTP: resources with entity tags, pages, merge patches, and how they are documented."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
from fastapi import Body as BodyParameter
from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from millrace_directory.merge_patch import merge
from millrace_directory.reading import Page
from millrace_directory.schemas import Body
from millrace_directory.wire import CLEAN, Written
from millrace_platform.openapi import PROBLEMS, described_problems
from millrace_platform.pagination import CursorText, Limit, next_link
from millrace_platform.preconditions import Tags, etag
from millrace_platform.responses import json_response

MERGE_PATCH = "application/merge-patch+json"
B = TypeVar("B", bound=Body)


def resource(written: Written[Any]) -> dict[str, Any]:
    """An entity as REST shows it: what the feed carries, without what only the refinery knows, with its version."""
    fields = msgspec.to_builtins(written.entity)
    return {name: value for name, value in fields.items() if name not in CLEAN} | {"version": written.version}


def shown(written: Written[Any], known: Tags) -> Response:
    """The resource with its ETag; 304 where the client knows this version."""
    headers = {"ETag": etag(written.version)}
    if known.match_weakly(written.version):
        return Response(status_code=304, headers=headers)
    return json_response(resource(written), headers=headers)


def created(request: Request, written: Written[Any]) -> Response:
    """201 with `Location` and ETag."""
    key = written.subject.rpartition("/")[2]
    headers = {"ETag": etag(written.version), "Location": f"{request.url.path}/{key}"}
    return json_response(resource(written), status=201, headers=headers)


def changed(written: Written[Any]) -> Response:
    """The resource as it is now, with its new ETag."""
    return json_response(resource(written), headers={"ETag": etag(written.version)})


def listed(request: Request, page: Page[Any]) -> Response:
    """A page, with a `Link` to the next one."""
    body = {"items": [resource(written) for written in page.items], "next": page.next}
    return json_response(body, headers={} if page.next is None else {"Link": next_link(request, page.next)})


def patched(schema: type[B], patch: dict[str, Any]) -> Callable[[Written[Any]], B]:
    """Applies a merge patch to the resource that the client sees; what comes out must be a valid body."""

    def apply(written: Written[Any]) -> B:
        try:
            return schema.model_validate(merge(resource(written), patch))
        except ValidationError as error:
            found = error.errors(include_url=False)
            raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in found]) from error

    return apply


MergePatch: TypeAlias = Annotated[
    dict[str, Any], BodyParameter(media_type=MERGE_PATCH, description="JSON merge patch (RFC 7396).")
]


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page of a list is asked for."""

    limit: int
    cursor: str | None


# A coroutine, as FastAPI would make the dataclass in a thread.
async def _paging(limit: Limit = 50, cursor: CursorText = None) -> Paging:
    return Paging(limit, cursor)


Paged: TypeAlias = Annotated[Paging, Depends(_paging)]


problems = partial(
    described_problems,
    {
        **PROBLEMS,
        404: "There is no such resource; to be changed, none of the caller's.",
        409: "It is there already, or others need it.",
        503: "The service, or who issues access tokens, can't answer now.",
    },
)

LIST = problems(422)
READ = {304: {"description": "The version that `If-None-Match` names."}, **problems(404, 422)}
CREATE = problems(401, 403, 409, 415, 422, 503)
CHANGE = problems(401, 403, 404, 409, 412, 415, 422, 428, 503)
