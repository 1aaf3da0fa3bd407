"""Translate errors of PostgreSQL into problems that the caller of a service can act upon."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError

from millrace_platform.errors import Conflict, FieldError, Problem, TimedOut, Unavailable, Unprocessable

_NUL_IN_TEXT = frozenset({"22021", "22P05"})
"""SQLSTATE codes of the character NUL in a text and in a JSON text."""
_DATA = "22"
"""SQLSTATE class of values that a column or an operator can't take, on our side or the server's."""
_STATEMENT_CANCELED = "57014"
_CONCURRENT_UPDATE = frozenset({"40001", "40P01"})
"""SQLSTATE codes of a serialization failure and a deadlock."""
_UNAVAILABLE = ("08", "53", "57P", "55P03", "25006")
"""SQLSTATE prefixes: connection lost, out of resources, stopping or starting, lock not available, read-only standby."""


_faults = logging.getLogger("millrace.fault")


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
    if sqlstate in _NUL_IN_TEXT:
        nul = FieldError(field="request", detail="A text contains the character NUL.", remedy="Remove U+0000.")
        return Unprocessable(errors=[nul])
    if sqlstate.startswith(_DATA):
        # Fields should be limited where they are parsed, so that the problem names the field.
        _faults.warning("value out of the database's range", exc_info=error)
        wrong = FieldError(field="request", detail="A value is out of range.", remedy="Send smaller or shorter values.")
        return Unprocessable(errors=[wrong])
    if sqlstate in _CONCURRENT_UPDATE:
        return Conflict("A concurrent request changed the same resources. Send the request again.")
    if sqlstate == _STATEMENT_CANCELED:
        return TimedOut("The database took too long.")
    if error.connection_invalidated or sqlstate.startswith(_UNAVAILABLE):
        return Unavailable("The database can't be reached.")
    return None
