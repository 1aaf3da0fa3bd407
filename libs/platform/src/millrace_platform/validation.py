"""Convert Pydantic's validation errors to field errors with remedies and without values of the request."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from millrace_platform.errors import FieldError

_LOCATIONS = frozenset({"query", "path", "header", "cookie", "body"})
_DEFAULT_REMEDY = "Correct the value; see the API documentation."

_Context = Mapping[str, Any]


def _fixed(text: str) -> Callable[[_Context], str]:
    return lambda _context: text


def _filled(template: str) -> Callable[[_Context], str]:
    return template.format_map


_REMEDIES: dict[str, Callable[[_Context], str]] = {
    "missing": _fixed("Add it."),
    "extra_forbidden": _fixed("Remove it; this request has no such field."),
    "json_invalid": _fixed("Send well-formed JSON in UTF-8."),
    "string_type": _fixed("Give a string."),
    "string_unicode": _fixed("Send valid Unicode without lone surrogates."),
    "string_too_short": _filled("Give at least {min_length} characters."),
    "string_too_long": _filled("Give at most {max_length} characters."),
    "string_pattern_mismatch": _filled("Match the pattern {pattern}."),
    "int_type": _fixed("Give a whole number."),
    "int_parsing": _fixed("Give a whole number."),
    "int_from_float": _fixed("Give a whole number."),
    "float_type": _fixed("Give a number."),
    "float_parsing": _fixed("Give a number."),
    "finite_number": _fixed("Give a finite number."),
    "bool_type": _fixed("Give true or false."),
    "bool_parsing": _fixed("Give true or false."),
    "greater_than": _filled("Give more than {gt}."),
    "greater_than_equal": _filled("Give {ge} or more."),
    "less_than": _filled("Give less than {lt}."),
    "less_than_equal": _filled("Give {le} or less."),
    "literal_error": _filled("Give one of {expected}."),
    "enum": _filled("Give one of {expected}."),
    "list_type": _fixed("Give a list."),
    "too_short": _filled("Give at least {min_length} items."),
    "too_long": _filled("Give at most {max_length} items."),
    "dict_type": _fixed("Give an object."),
    "model_type": _fixed("Give an object."),
    "model_attributes_type": _fixed("Give an object."),
    "uuid_parsing": _fixed("Give a UUID."),
    "uuid_type": _fixed("Give a UUID."),
    "datetime_parsing": _fixed("Give an RFC 3339 time with its offset."),
    "datetime_from_date_parsing": _fixed("Give an RFC 3339 time with its offset."),
    "timezone_aware": _fixed("Add the offset from UTC."),
    "date_parsing": _fixed("Give a date as YYYY-MM-DD."),
    "date_from_datetime_parsing": _fixed("Give a date as YYYY-MM-DD."),
}


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


def _remedy(kind: str, context: _Context) -> str:
    if isinstance(own := context.get("remedy"), str):
        return own
    remedy = _REMEDIES.get(kind)
    return remedy(context) if remedy else _DEFAULT_REMEDY
