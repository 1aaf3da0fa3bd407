"""Translate errors of PostgreSQL into problems that the caller of a service can act upon."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError

from millrace_platform.errors import Conflict, FieldError, Problem, TimedOut, Unavailable, Unprocessable

NUL_IN_TEXT = "22021"
_STATEMENT_CANCELED = "57014"
_CONCURRENT_UPDATE = frozenset({"40001", "40P01"})
"""SQLSTATE codes of a serialization failure and a deadlock."""
_UNAVAILABLE = ("08", "53", "57P", "55P03", "25006")
"""SQLSTATE prefixes: connection lost, out of resources, stopping or starting, lock not available, read-only standby."""


@contextmanager
def database_errors_as_problems() -> Iterator[None]:
    """Context manager: raise database errors that a client can act upon as problems, and others unchanged."""
    try:
        yield
    except (DBAPIError, asyncpg.PostgresError) as error:
        problem = problem_from_error(error if isinstance(error, DBAPIError) else DBAPIError(None, None, error))
        if problem is None:
            raise
        raise problem from error
    except (OSError, asyncpg.InternalClientError) as error:
        # OSError includes asyncpg's TimeoutError, if the server doesn't respond. asyncpg raises InternalClientError for
        # a statement sent after the server announced its shutdown and before it closed the socket.
        raise Unavailable("The database can't be reached.") from error


@contextmanager
def driver_errors_as_problems(connection: asyncpg.Connection) -> Iterator[None]:
    """Do as `database_errors_as_problems`; also raise problem 503 if asyncpg's connection was closed."""
    with database_errors_as_problems():
        try:
            yield
        except asyncpg.InterfaceError as error:
            if connection.is_closed():
                raise Unavailable("The database can't be reached.") from error
            raise


def problem_from_error(error: DBAPIError) -> Problem | None:
    """Return the problem to respond with for a database error; None if the service itself has to handle it."""
    sqlstate: str = getattr(error.orig, "sqlstate", None) or ""
    if sqlstate == NUL_IN_TEXT:
        nul = FieldError(field="request", detail="A text contains the character NUL.", remedy="Remove U+0000.")
        return Unprocessable(errors=[nul])
    if sqlstate in _CONCURRENT_UPDATE:
        return Conflict("A concurrent request changed the same resources. Send the request again.")
    if sqlstate == _STATEMENT_CANCELED:
        return TimedOut("The database took too long.")
    if error.connection_invalidated or sqlstate.startswith(_UNAVAILABLE):
        return Unavailable("The database can't be reached.")
    return None
