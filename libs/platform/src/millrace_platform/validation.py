"""Convert Pydantic's validation errors to field errors with remedies and without values of the request."""

from collections.abc import Iterable, Mapping
from typing import Any

from millrace_platform.errors import FieldError

_LOCATIONS = frozenset({"query", "path", "header", "cookie", "body"})
_DEFAULT_REMEDY = "Correct the value; see the API documentation."


_REMEDIES: Mapping[str, str] = {
    "missing": "Add it.",
    "extra_forbidden": "Remove it; this request has no such field.",
    "json_invalid": "Send well-formed JSON in UTF-8.",
    "string_type": "Give a string.",
    "string_unicode": "Send valid Unicode without lone surrogates.",
    "string_too_short": "Give at least {min_length} characters.",
    "string_too_long": "Give at most {max_length} characters.",
    "string_pattern_mismatch": "Match the pattern {pattern}.",
    "int_type": "Give a whole number.",
    "int_parsing": "Give a whole number.",
    "int_from_float": "Give a whole number.",
    "float_type": "Give a number.",
    "float_parsing": "Give a number.",
    "finite_number": "Give a finite number.",
    "bool_type": "Give true or false.",
    "bool_parsing": "Give true or false.",
    "greater_than": "Give more than {gt}.",
    "greater_than_equal": "Give {ge} or more.",
    "less_than": "Give less than {lt}.",
    "less_than_equal": "Give {le} or less.",
    "literal_error": "Give one of {expected}.",
    "enum": "Give one of {expected}.",
    "list_type": "Give a list.",
    "too_short": "Give at least {min_length} items.",
    "too_long": "Give at most {max_length} items.",
    "dict_type": "Give an object.",
    "model_type": "Give an object.",
    "model_attributes_type": "Give an object.",
    "uuid_parsing": "Give a UUID.",
    "uuid_type": "Give a UUID.",
    "datetime_parsing": "Give an RFC 3339 time with its offset.",
    "datetime_from_date_parsing": "Give an RFC 3339 time with its offset.",
    "timezone_aware": "Add the offset from UTC.",
    "date_parsing": "Give a date as YYYY-MM-DD.",
    "date_from_datetime_parsing": "Give a date as YYYY-MM-DD.",
}
"""Remedies by Pydantic's error type; members of the error's context are filled in."""


def field_errors(errors: Iterable[Mapping[str, Any]]) -> list[FieldError]:
    """Convert Pydantic's errors to the field errors of a problem.

    Our own validators pass the remedy to report as `remedy` in the context of a `PydanticCustomError`.
    """
    return [
        FieldError(
            field=field_name(error["loc"], error["type"]),
            detail=str(error["msg"]),
            remedy=_remedy(error["type"], error.get("ctx") or {}),
        )
        for error in errors
    ]


def field_name(location: Iterable[int | str], kind: str = "") -> str:
    """Return the field name of an error location: `("body", "openings", 2, "start")` is `openings[2].start`.

    The name of the whole body is `body`; `kind` is Pydantic's error type.
    """
    parts = list(location)
    if parts and parts[0] in _LOCATIONS:
        place = str(parts.pop(0))
        # The location of a JSON syntax error ends with its offset, which is not a list index.
        if not parts or kind == "json_invalid":
            return place
    name = ""
    for part in parts:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
    return name


def _remedy(kind: str, context: Mapping[str, Any]) -> str:
    if isinstance(own := context.get("remedy"), str):
        return own
    return _REMEDIES.get(kind, _DEFAULT_REMEDY).format_map(context)
