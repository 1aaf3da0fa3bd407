"""Keyset pages: a cursor names the last item of a page, so that items that come or go shift nothing."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar
from urllib.parse import urlencode

import msgspec
from fastapi import Query, Request

from millrace_platform.errors import FieldError, Unprocessable

K = TypeVar("K")

_CHECK_BYTES = 6
CURSOR_LENGTH_LIMIT = 512
"""Characters of a cursor; it bounds what is decoded."""

Limit = Annotated[int, Query(ge=1, le=200, description="How many items a page holds at most.")]
CursorText = Annotated[
    str | None, Query(max_length=CURSOR_LENGTH_LIMIT, description="The cursor of the page before's `Link`.")
]


@dataclass(frozen=True, slots=True)
class Cursors(Generic[K]):
    """Writes and reads the cursors of one list. `position` is the type of its sort key, e.g. `tuple[str, int]`.

    A cursor carries a digest of its position, of the list's name and of the filters that it belongs to. That finds
    what was cut off, mixed up or made up by mistake; it is no signature, as a cursor opens nothing that is closed.
    """

    name: str
    position: type[K]

    def write(self, position: K, *, filters: object = None) -> str:
        """An opaque text without padding. `filters` is whatever the list was narrowed by; it must be encodable."""
        body = msgspec.msgpack.encode(position)
        return base64.urlsafe_b64encode(self._check(body, filters) + body).rstrip(b"=").decode()

    def read(self, text: str, *, filters: object = None) -> K:
        """The position that was written. Raises a 422 problem where this isn't a cursor of this list and filters."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            check, body = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
            if check != self._check(body, filters):
                raise ValueError("the digest differs")
            return msgspec.msgpack.decode(body, type=self.position)
        except (ValueError, msgspec.DecodeError) as error:
            wrong = FieldError(
                field="cursor",
                detail="Not a cursor of this list with these filters.",
                remedy="Follow the Link of the page before, or leave it out to begin anew.",
            )
            raise Unprocessable(errors=[wrong]) from error

    def _check(self, body: bytes, filters: object) -> bytes:
        scope = msgspec.msgpack.encode([self.name, filters], order="sorted")
        return hashlib.blake2b(scope + body, digest_size=_CHECK_BYTES).digest()


def next_link(request: Request, cursor: str) -> str:
    """The value of a `Link` header to the next page (RFC 8288): this address with the cursor exchanged."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f'<{request.url.path}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'
