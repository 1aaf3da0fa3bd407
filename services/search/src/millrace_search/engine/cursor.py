"""Encode and decode opaque cursors: the end of a page, the ids shown so far, and the query.

Guarantees if the index changes between two pages:

- A result that matches throughout with an unchanged sort value is shown exactly once: pages end at a (sort value, id)
  pair, not at a number of results.
- No result is shown twice within `MAX_SHOWN` results: a cursor contains the ids shown (5 bytes each), which later pages
  skip. After that, a result is repeated only if its sort value has increased.
- A result that moves from after the cursor to before it is shown only by a new search. By `soonest`, a booking of the
  first opening and the end of its part of the day move a result back.

`total` and facets describe the index at the time of the request.
"""

import base64
import binascii
import hashlib
import struct
from collections.abc import Iterable, Sequence
from typing import Final

from millrace_search.engine.query import ID_BYTES, ID_MASK, PagePosition

MAX_SHOWN: Final = 400
"""Largest number of ids in a cursor, which then has about 2,700 characters and fits the limits of proxies."""
_HEAD: Final = struct.Struct("<8sdQ")
_MASK: Final = int(ID_MASK)


class InvalidCursorError(ValueError):
    """The text is not a cursor for this query."""


def encode(query: bytes, value: float, row: int, shown: Sequence[int]) -> str:
    """Return a cursor for the page after the result with this sort `value` and id `row`.

    `query` identifies the search; `shown` contains the ids of all results shown so far, in display order.
    """
    last = shown[-MAX_SHOWN:]
    ids = b"".join((each & _MASK).to_bytes(ID_BYTES, "little") for each in last)
    body = struct.pack("<dQ", value, row) + ids
    return base64.urlsafe_b64encode(_seal(query, body) + body).rstrip(b"=").decode()


def decode(text: str, query: bytes) -> tuple[PagePosition, list[int]]:
    """Return the page position and the ids shown, in order.

    Raises `InvalidCursorError` for text that is not a cursor, or is a cursor of another search.
    """
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        seal, value, row = _HEAD.unpack_from(packed)
    except (binascii.Error, struct.error, ValueError) as error:
        raise InvalidCursorError("not a cursor") from error
    ids = packed[_HEAD.size :]
    if seal != _seal(query, packed[8:]) or len(ids) % ID_BYTES or len(ids) > MAX_SHOWN * ID_BYTES:
        raise InvalidCursorError("not a cursor of this search")
    shown = list(_unpack(ids))
    return PagePosition(value, row, frozenset(shown)), shown


def _unpack(ids: bytes) -> Iterable[int]:
    return (int.from_bytes(ids[start : start + ID_BYTES], "little") for start in range(0, len(ids), ID_BYTES))


def _seal(query: bytes, body: bytes) -> bytes:
    """Return a checksum against damage and mix-ups; a signature is unnecessary, as cursors grant no access."""
    return hashlib.blake2b(query + b"\0" + body, digest_size=8).digest()
