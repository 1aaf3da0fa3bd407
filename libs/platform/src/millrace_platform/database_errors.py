"""What PostgreSQL's own troubles mean for the caller of the service."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from millrace_platform.errors import Conflict, FieldError, Problem, TimedOut, Unavailable, Unprocessable

NUL_IN_TEXT = "22021"
_STATEMENT_CANCELED = "57014"
_LOST_RACE = frozenset({"40001", "40P01"})
"""Serialization failure, deadlock."""
_NOT_NOW = ("08", "53", "57P", "55P03", "25006")
"""Connection lost, out of resources, shutting down or starting, lock not available, a standby that can't write."""


@contextmanager
def problems_of_database() -> Iterator[None]:
    """Raises what the caller can act upon as a `Problem`; all else, `IntegrityError` above all, passes unchanged."""
    try:
        yield
    except DBAPIError as error:
        problem = problem_of(error)
        if problem is None:
            raise
        raise problem from error
    except asyncpg.PostgresError as error:
        problem = problem_of(DBAPIError(None, None, error))
        if problem is None:
            raise
        raise problem from error
    except (PoolTimeoutError, OSError, asyncpg.InternalClientError) as error:
        # A TimeoutError is an OSError too: it is the driver's, which waited for the server in vain. An
        # InternalClientError is what the driver makes of a request between the server's farewell and the closed socket.
        raise Unavailable("The database can't be reached.") from error


@contextmanager
def problems_of_driver(connection: asyncpg.Connection) -> Iterator[None]:
    """The same for what is asked of the driver's own connection (`Session.driver`)."""
    with problems_of_database():
        try:
            yield
        except asyncpg.InterfaceError as error:
            if connection.is_closed():
                raise Unavailable("The database can't be reached.") from error
            raise


def problem_of(error: DBAPIError) -> Problem | None:
    """None where the error is for the service itself to handle."""
    sqlstate: str = getattr(error.orig, "sqlstate", None) or ""
    if sqlstate == NUL_IN_TEXT:
        nul = FieldError(field="request", detail="A text holds the character NUL.", remedy="Leave out U+0000.")
        return Unprocessable(errors=[nul])
    if sqlstate in _LOST_RACE:
        return Conflict("Another change of the same resources came first. Send the request again.")
    if sqlstate == _STATEMENT_CANCELED:
        return TimedOut("The database took too long.")
    if error.connection_invalidated or sqlstate.startswith(_NOT_NOW):
        return Unavailable("The database can't be reached.")
    return None
