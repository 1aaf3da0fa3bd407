"""The service's manners over HTTP: pages, and how problems are documented."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Request, Response

from millrace_platform.openapi import problems
from millrace_platform.pagination import Cursors, CursorText, Limit, next_link

_CURSORS = Cursors("reviews", int)
_LAST = 2**63 - 1
"""The highest position that a bigint can hold; a cursor that somebody made up may name a higher one."""


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page of a list is asked for, by the list's path and what narrows it."""

    request: Request
    limit: int
    cursor: str | None

    def position(self, **filters: str) -> int | None:
        """Where the page begins, None at the first. A 422 problem for the cursor of another list."""
        if self.cursor is None:
            return None
        return max(0, min(_CURSORS.read(self.cursor, filters=self._scope(filters)), _LAST))

    def follow(self, response: Response, position: int | None, **filters: str) -> str | None:
        """The next page's cursor, which the response gets as its `Link` too."""
        if position is None:
            return None
        cursor = _CURSORS.write(position, filters=self._scope(filters))
        response.headers["Link"] = next_link(self.request, cursor)
        return cursor

    def _scope(self, filters: Mapping[str, str]) -> Mapping[str, str]:
        return {"": self.request.url.path, **filters}


# A coroutine, as FastAPI runs plain functions in threads.
async def _paging(request: Request, limit: Limit = 20, cursor: CursorText = None) -> Paging:
    return Paging(request, limit, cursor)


Paged: TypeAlias = Annotated[Paging, Depends(_paging)]
"""An endpoint's parameter."""


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
