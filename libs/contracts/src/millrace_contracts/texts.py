"""Texts that no store downstream can hold."""

from typing import Any

import msgspec

_ESCAPED_NUL = b"\\u0000"


def field_with_nul(data: bytes | msgspec.Raw, decoded: msgspec.Struct) -> str | None:
    """Path of a text of `decoded` that holds U+0000, which PostgreSQL refuses; None where there is none.

    JSON can carry it as an escape alone, so what has none in its bytes isn't looked at any further.
    """
    return _find(msgspec.to_builtins(decoded), "$") if _ESCAPED_NUL in bytes(data) else None


def _find(value: Any, path: str) -> str | None:
    if isinstance(value, str):
        return path if "\0" in value else None
    if isinstance(value, dict):
        items = ((f"{path}.{name}", one) for name, one in value.items())
    elif isinstance(value, list | tuple):
        items = ((f"{path}[{index}]", one) for index, one in enumerate(value))
    else:
        return None
    return next((found for at, one in items if (found := _find(one, at))), None)
