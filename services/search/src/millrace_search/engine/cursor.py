"""Opaque cursors: where a page ended, who was shown, and for which query.

What is promised while the index changes between two pages:

- Who matches all along and whose sort value does not change is shown exactly once: pages are cut by (sort value, id),
  not by number, so nobody shifts.
- Nobody is shown twice within `MOST_SHOWN` results, whatever changes: a cursor carries who was shown (5 bytes each),
  and who is among them is passed over. Beyond that, only who was given a later sort value meanwhile may come again.
- Who moved from behind the cursor to before it isn't shown any more; a new search shows them. By `soonest`, a booking
  of the first opening moves one back, and so does the end of that part of the day.

`total` and facets are those of the moment.
"""

import base64
import binascii
import hashlib
import struct
from collections.abc import Iterable, Sequence
from typing import Final

from millrace_search.engine.query import ID_BYTES, ID_MASK, After

MOST_SHOWN: Final = 400
"""Some 2,700 characters of cursor: within what proxies take for a request line."""
_HEAD: Final = struct.Struct("<8sdQ")
_MASK: Final = int(ID_MASK)


class InvalidCursorError(ValueError):
    """Not a cursor that was given out for this query."""


def encode(query: bytes, value: float, row: int, shown: Sequence[int]) -> str:
    """A cursor behind the row `row`. `query` is whatever identifies the query; `shown` ids in the order shown."""
    last = shown[-MOST_SHOWN:]
    ids = b"".join((each & _MASK).to_bytes(ID_BYTES, "little") for each in last)
    body = struct.pack("<dQ", value, row) + ids
    return base64.urlsafe_b64encode(_seal(query, body) + body).rstrip(b"=").decode()


def decode(text: str, query: bytes) -> tuple[After, list[int]]:
    """Where to go on, and who was shown in order. Raises `InvalidCursorError`, also for another query's cursor."""
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        seal, value, row = _HEAD.unpack_from(packed)
    except (binascii.Error, struct.error, ValueError) as error:
        raise InvalidCursorError("not a cursor") from error
    ids = packed[_HEAD.size :]
    if seal != _seal(query, packed[8:]) or len(ids) % ID_BYTES or len(ids) > MOST_SHOWN * ID_BYTES:
        raise InvalidCursorError("not a cursor of this search")
    shown = list(_unpack(ids))
    return After(value, row, frozenset(shown)), shown


def _unpack(ids: bytes) -> Iterable[int]:
    return (int.from_bytes(ids[start : start + ID_BYTES], "little") for start in range(0, len(ids), ID_BYTES))


def _seal(query: bytes, body: bytes) -> bytes:
    """Catches mix-ups and damage. It is no signature: a forged cursor shows nothing that a search would not."""
    return hashlib.blake2b(query + b"\0" + body, digest_size=8).digest()
