"""Read JSON that strangers wrote: every malformed text is an error of one type, and no text breaks what follows it."""

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec
from fastapi import Request

from millrace_platform.errors import FieldError, Unprocessable
from millrace_platform.validation import MESSAGES, field_name

Location: TypeAlias = tuple[str | int, ...]


class MalformedJsonError(ValueError):
    """The text is not JSON, or is nested too deeply."""


def decode_json(text: bytes) -> Any:
    """Return the value of a JSON text in UTF-8 without lone surrogates; raise `MalformedJsonError` for any other."""
    try:
        return msgspec.json.decode(text)
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise MalformedJsonError("malformed JSON") from error


async def check_body_text(request: Request) -> None:
    """Raise problem 422 if a text in the JSON body has a lone surrogate (a FastAPI dependency of all routes).

    Python's JSON parser accepts the escape of one, as `\\ud800`, but no database, digest or response can encode it.
    """
    if "content-type" not in request.headers:
        return
    require_unicode(await request.body())


def require_unicode(content: bytes) -> None:
    """Raise problem 422 for a text of a JSON document that has a lone surrogate; ignore what isn't JSON."""
    if b"\\u" not in content:
        return
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return  # reported when the body is parsed
    for location in _lone_surrogates(document):
        detail, remedy = MESSAGES["string_unicode"]
        raise Unprocessable(errors=[FieldError(field=field_name(("body", *location)), detail=detail, remedy=remedy)])


def _lone_surrogates(document: Any) -> Iterator[Location]:
    """Yield the location of each text with a lone surrogate; for the name of a member, that of its object."""
    waiting: list[tuple[Location, Any]] = [((), document)]
    while waiting:
        location, value = waiting.pop()
        if isinstance(value, str):
            if not _is_unicode(value):
                yield location
        elif isinstance(value, dict):
            for name, member in value.items():
                if not _is_unicode(name):
                    yield location
                waiting.append(((*location, name), member))
        elif isinstance(value, list):
            waiting += (((*location, index), item) for index, item in enumerate(value))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
