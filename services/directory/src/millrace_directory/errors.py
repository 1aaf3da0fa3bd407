"""What the directory tells a client that asks for something impossible, each time with what helps."""

from collections.abc import Iterable
from typing import Any

from millrace_directory.events import Key
from millrace_directory.rules import Violation
from millrace_directory.wire import Kind
from millrace_platform.errors import Conflict, NotFound, PreconditionFailed, Problem, Unprocessable


def _name(kind: Kind[Any]) -> str:
    return kind.contract.name


def is_not_there(kind: Kind[Any], key: Key) -> Problem:
    return NotFound(f"There is no {_name(kind)} {key}. The list shows what there is; POST creates one.")


def is_taken(kind: Kind[Any], key: Key) -> Problem:
    return Conflict(
        f"There is a {_name(kind)} {key} already, or one of the same identity. GET it, and change it with PUT or PATCH."
    )


def is_needed(kind: Kind[Any], obstacle: str) -> Problem:
    return Conflict(f"The {_name(kind)} can't be deleted now. {obstacle}")


def is_stale(kind: Kind[Any]) -> Problem:
    return PreconditionFailed(
        f"The {_name(kind)} changed since you read it. GET it again, apply your change to that, and send its ETag."
    )


def breaks_rules(violations: Iterable[Violation]) -> Problem:
    """Names every violation at once."""
    return Unprocessable(
        "Correct the fields named in errors.",
        errors=[{"field": v.field, "detail": v.detail, "remedy": v.remedy} for v in violations],
    )
