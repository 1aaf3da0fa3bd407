"""Checks of texts in imported rows: what the directory and its events can't contain is a reject, never altered."""

import re
from typing import Final

MAX_LENGTH: Final = 200
"""Maximum number of characters, that of the REST resources."""
NOT_UTF8: Final = "not UTF-8"
NUL: Final = "NUL character"
LONE_SURROGATE: Final = "half of a surrogate pair"
CONTROL: Final = "control character"
REPLACED: Final = "replacement character: the text was damaged before"
TOO_LONG: Final = f"longer than {MAX_LENGTH} characters"

_FAULTS: Final = (
    (re.compile("\0"), NUL),
    (re.compile("[\udc80-\udcff]"), NOT_UTF8),  # bytes decoded with `surrogateescape`
    (re.compile("[\ud800-\udfff]"), LONE_SURROGATE),
    (re.compile(r"[\x01-\x08\x0e-\x1f\x7f]"), CONTROL),
    (re.compile("\ufffd"), REPLACED),
)


def find_fault(value: str) -> str | None:
    """Return why a text can't be imported, None if it can."""
    for pattern, reason in _FAULTS:
        if pattern.search(value):
            return reason
    return TOO_LONG if len(value.strip()) > MAX_LENGTH else None


def is_surely_clean(value: str) -> bool:
    """Return whether a text has no fault; quick, but False for some texts without one, too."""
    return value.isascii() and value.isprintable() and len(value) <= MAX_LENGTH
