"""Pagination of lists and descriptions of problems for the OpenAPI document."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Request, Response

from millrace_platform.openapi import problems
from millrace_platform.pagination import Cursors, CursorText, Limit, next_link

_CURSORS = Cursors("reviews", int)


@dataclass(frozen=True, slots=True)
class Pagination:
    """Requested page of a list. Cursors are valid only for the same path and filters."""

    request: Request
    limit: int
    cursor: str | None

    def position(self, **filters: str) -> int | None:
        """Return the position of the page in the list; None for the first page.

        Problems: 422 for the cursor of another list.
        """
        if self.cursor is None:
            return None
        return _CURSORS.read(self.cursor, filters=self._scope(filters))

    def next_cursor(self, response: Response, position: int | None, **filters: str) -> str | None:
        """Return the cursor of the page at `position`, and add a `Link` to that page to the response.

        Return None if `position` is None, which means that there is no further page.
        """
        if position is None:
            return None
        cursor = _CURSORS.write(position, filters=self._scope(filters))
        response.headers["Link"] = next_link(self.request, cursor)
        return cursor

    def _scope(self, filters: Mapping[str, str]) -> Mapping[str, str]:
        return {"": self.request.url.path, **filters}


# A coroutine, because FastAPI runs plain functions in threads.
async def _pagination(request: Request, limit: Limit = 20, cursor: CursorText = None) -> Pagination:
    return Pagination(request, limit, cursor)


InPagination: TypeAlias = Annotated[Pagination, Depends(_pagination)]
"""Type of an endpoint parameter that FastAPI fills with the requested `Pagination`."""


LIST = problems(422)
OWN_LIST = problems(401, 422)
ROLE_LIST = problems(401, 403, 422)
READ = problems(401, 404, 422)
ROLE_READ = problems(401, 403, 404, 422)
CREATE = problems(401, 403, 404, 409, 415, 422)
CHANGE = problems(401, 404, 412, 415, 422, 428)
ROLE_CHANGE = problems(401, 403, 404, 412, 415, 422, 428)
REMOVE = problems(401, 404, 412, 422, 428)
ROLE_REMOVE = problems(401, 403, 404, 412, 422, 428)
