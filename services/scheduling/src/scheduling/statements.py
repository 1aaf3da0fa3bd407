"""Statements on the driver's own connection: those that every booking waits for."""

from typing import Any

import asyncpg

from millrace_platform.database import Session
from millrace_platform.database_errors import problems_of_database
from millrace_platform.errors import Unavailable


async def fetch(session: Session, statement: str, *arguments: object) -> list[Any]:
    """The rows of a statement with `$1`, `$2` …, prepared once a connection. Errors are those of `Session.execute`."""
    connection = await session.driver()
    with problems_of_database():
        try:
            rows: list[Any] = await connection.fetch(statement, *arguments)
        except asyncpg.InterfaceError as error:
            if connection.is_closed():
                raise Unavailable("The database can't be reached.") from error
            raise
        return rows


async def first(session: Session, statement: str, *arguments: object) -> Any:
    """The first row; None where there is none."""
    rows = await fetch(session, statement, *arguments)
    return rows[0] if rows else None
