"""Statements on the driver's own connection, for what is asked most: SQLAlchemy takes as long again over each."""

from typing import Any, TypeAlias

from millrace_platform.database import Connection, Session
from millrace_platform.database_errors import problems_of_driver

Statements: TypeAlias = Session | Connection
"""Where a statement is sent: within a transaction, or as one of its own."""


async def fetch(session: Statements, statement: str, *arguments: object) -> list[Any]:
    """The rows of a statement with `$1`, `$2` …, prepared once a connection. Errors are those of `Session.execute`."""
    with problems_of_driver(session.driver):
        rows: list[Any] = await session.driver.fetch(statement, *arguments)
        return rows


async def first(session: Statements, statement: str, *arguments: object) -> Any:
    """The first row; None where there is none."""
    rows = await fetch(session, statement, *arguments)
    return rows[0] if rows else None
