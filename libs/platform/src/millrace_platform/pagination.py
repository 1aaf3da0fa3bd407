"""Paginate by sort key: a cursor contains that of a page's last item, so inserts and deletes shift no page."""

import base64
import hashlib
import math
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Generic, TypeVar
from urllib.parse import urlencode

import msgspec
from fastapi import Query, Request

from millrace_platform.errors import FieldError, Unprocessable
from millrace_platform.resources import YEARS

K = TypeVar("K")

_CHECK_BYTES = 6
CURSOR_LENGTH_LIMIT = 512
"""Longest cursor that is decoded, in characters."""

Limit = Annotated[int, Query(ge=1, le=200, description="Maximum number of items per page.")]
CursorText = Annotated[
    str | None, Query(max_length=CURSOR_LENGTH_LIMIT, description="Cursor from the previous page's `Link`.")
]


@dataclass(frozen=True, slots=True)
class Cursors(Generic[K]):
    """Writes and reads the cursors of one list. `position` is the type of its sort key, e.g. `tuple[str, int]`.

    A cursor contains a digest of its position, the list's name and the filters, to detect truncated or invented cursors
    and those of other lists. It isn't signed, as a cursor grants no access: so a position that a client made up is
    refused unless the database can compare it.
    """

    name: str
    position: type[K]

    def write(self, position: K, *, filters: object = None) -> str:
        """Return a cursor as URL-safe text. `filters`: those of the list, of any type that msgspec encodes."""
        body = msgspec.msgpack.encode(position)
        return base64.urlsafe_b64encode(self._check(body, filters) + body).rstrip(b"=").decode()

    def read(self, text: str, *, filters: object = None) -> K:
        """Return the position of a cursor. Problem: 422 unless it is a cursor of this list with these filters."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            check, body = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
            if check != self._check(body, filters):
                raise ValueError("the digest differs")
            position = msgspec.msgpack.decode(body, type=self.position)
            _require_storable(position)
            return position
        except (ValueError, msgspec.DecodeError, RecursionError) as error:
            wrong = FieldError(
                field="cursor",
                detail="Not a cursor of this list with these filters.",
                remedy="Follow the Link of the previous page, or leave the cursor out to start again.",
            )
            raise Unprocessable(errors=[wrong]) from error

    def _check(self, body: bytes, filters: object) -> bytes:
        scope = msgspec.msgpack.encode([self.name, filters], order="sorted")
        return hashlib.blake2b(scope + body, digest_size=_CHECK_BYTES).digest()


def _require_storable(value: object) -> None:
    """Raise ValueError for a value of a position that no column of PostgreSQL can have."""
    match value:
        case tuple() | list():
            for each in value:
                _require_storable(each)
        case int():
            if not -(2**63) <= value < 2**63:
                raise ValueError("not a bigint")
        case float():
            if not math.isfinite(value):
                raise ValueError("not a finite number")
        case str():
            if "\0" in value:
                raise ValueError("NUL in a text")
        case date():  # or a datetime
            if value.year not in YEARS or (isinstance(value, datetime) and value.tzinfo is None):
                raise ValueError("not a time of this platform")


def next_link(request: Request, cursor: str) -> str:
    """Return the value of the `Link` header (RFC 8288): the request's URL with this cursor, as the next page."""
    others = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f'<{request.url.path}?{urlencode([*others, ("cursor", cursor)])}>; rel="next"'
