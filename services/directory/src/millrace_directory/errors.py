"""Problems that clients of the directory get, each with a remedy."""

from collections.abc import Iterable
from typing import Any

from millrace_directory.rules import Violation
from millrace_directory.wire import Kind
from millrace_platform.errors import Conflict, NotFound, PreconditionFailed, Problem, Unprocessable


def not_found(kind: Kind[Any]) -> Problem:
    return NotFound(f"There is no such {kind.contract.name}. Look it up in the list, or create it with POST.")


def already_exists(kind: Kind[Any]) -> Problem:
    return Conflict(
        f"A {kind.contract.name} with this id, or with the same identity, already exists. "
        "Read it with GET, and change it with PUT or PATCH."
    )


def in_use(kind: Kind[Any], obstacle: str) -> Problem:
    return Conflict(f"The {kind.contract.name} can't be deleted now. {obstacle}")


def version_conflict(kind: Kind[Any]) -> Problem:
    return PreconditionFailed(
        f"The {kind.contract.name} changed since you read it. GET it again, repeat your change, and send the new ETag."
    )


def rules_broken(violations: Iterable[Violation]) -> Problem:
    """Return one problem that lists all violations of rules."""
    return Unprocessable(
        "Correct the fields listed in errors.",
        errors=[{"field": v.field, "detail": v.detail, "remedy": v.remedy} for v in violations],
    )
