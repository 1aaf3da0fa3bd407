"""Convert Pydantic's validation errors to field errors with remedies and without values of the request."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from millrace_platform.errors import FieldError

_LOCATIONS = frozenset({"query", "path", "header", "cookie", "body"})
_UNKNOWN: Final = ("The value is invalid.", "Correct the value as the API documentation describes.")
_TEXT: Final = ("The value is not a text.", "Give a text, in quotes.")
_INTEGER: Final = ("The value is not a whole number.", "Give a whole number.")
_NUMBER: Final = ("The value is not a number.", "Give a number.")
_BOOLEAN: Final = ("The value is neither true nor false.", "Give true or false.")
_LIST: Final = ("The value is not a list.", "Give a list.")
_OBJECT: Final = ("The value is not an object.", "Give an object.")
_UUID: Final = ("The value is not a UUID.", "Give a UUID, such as 6f1c2a9e-9a53-5e0c-8a1d-3c0a5c1f7b42.")
_TIME: Final = ("The value is not a time.", "Give an RFC 3339 time with its offset, such as 2026-11-23T09:30:00-05:00.")
_DATE: Final = ("The value is not a date.", "Give a date as YYYY-MM-DD.")
_CHOICE: Final = ("The value is none of those allowed.", "Give one of {expected}.")

MESSAGES: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("The field is required.", "Add it."),
    "extra_forbidden": ("The request has no such field.", "Remove it."),
    "json_invalid": ("The body is not valid JSON.", "Send well-formed JSON in UTF-8."),
    "json_type": ("The value is not JSON.", "Send well-formed JSON in UTF-8."),
    "string_type": _TEXT,
    "string_unicode": ("The text is not valid Unicode.", "Send valid Unicode without lone surrogates."),
    "string_too_short": ("The text is too short.", "Give at least {min_length} {characters}."),
    "string_too_long": ("The text is too long.", "Give at most {max_length} {characters}."),
    "too_short": ("The value is too short.", "Give at least {min_length} {units}."),
    "too_long": ("The value is too long.", "Give at most {max_length} {units}."),
    "int_type": _INTEGER,
    "int_parsing": _INTEGER,
    "int_parsing_size": ("The number is too large.", "Give a smaller number."),
    "int_from_float": _INTEGER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": ("The number is not finite.", "Give a finite number."),
    "bool_type": _BOOLEAN,
    "bool_parsing": _BOOLEAN,
    "greater_than": ("The value is too small.", "Give more than {gt}."),
    "greater_than_equal": ("The value is too small.", "Give {ge} or more."),
    "less_than": ("The value is too large.", "Give less than {lt}."),
    "less_than_equal": ("The value is too large.", "Give {le} or less."),
    "literal_error": _CHOICE,
    "enum": _CHOICE,
    "union_tag_invalid": ("The value is none of those allowed.", "Give one of {expected_tags}."),
    "union_tag_not_found": ("The kind of object is missing.", "Add the field {discriminator}."),
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dataclass_type": _OBJECT,
    "uuid_type": _UUID,
    "uuid_parsing": _UUID,
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_object_invalid": _TIME,
    "datetime_from_date_parsing": _TIME,
    "timezone_aware": ("The time has no offset from UTC.", "Add the offset, such as -05:00."),
    "timezone_naive": ("The time has an offset from UTC.", "Give the local time without an offset."),
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "time_type": ("The value is not a time of day.", "Give a time of day as HH:MM."),
    "time_parsing": ("The value is not a time of day.", "Give a time of day as HH:MM."),
}
"""Detail and remedy by Pydantic's error type; Pydantic's own texts may repeat values and contain regular expressions.

Members of the error's context are filled in; `{characters}` and `{units}` name what is counted.
"""


def field_errors(errors: Iterable[Mapping[str, Any]]) -> list[FieldError]:
    """Convert Pydantic's errors to the field errors of a problem, which don't repeat values.

    Our own validators raise a `PydanticCustomError`: its message is the detail, `remedy` in its context the remedy.
    """
    return [_field_error(field_name(error["loc"], error["type"]), error) for error in errors]


def _field_error(field: str, error: Mapping[str, Any]) -> FieldError:
    context: Mapping[str, Any] = error.get("ctx") or {}
    if isinstance(own := context.get("remedy"), str):
        return FieldError(field=field, detail=str(error["msg"]), remedy=own)
    detail, remedy = MESSAGES.get(error["type"], _UNKNOWN)
    limit = context.get("min_length", context.get("max_length"))
    is_list = context.get("field_type", "Value") != "Value"  # `Value` is a text behind a validator, such as a secret
    characters = "character" if limit == 1 else "characters"
    units = ("item" if limit == 1 else "items") if is_list else characters
    return FieldError(
        field=field, detail=detail, remedy=remedy.format_map({**context, "characters": characters, "units": units})
    )


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
