"""Run frequent statements on asyncpg's own connection, as SQLAlchemy doubles the time of each."""

from typing import Any, TypeAlias

from millrace_platform.database import Connection, Session
from millrace_platform.database_errors import driver_errors_as_problems

Statements: TypeAlias = Session | Connection
"""Runs statements: in a transaction (`Session`), or each in its own (`Connection`)."""


async def fetch(session: Statements, statement: str, *arguments: object) -> list[Any]:
    """Return the rows of a statement with arguments `$1`, `$2`; raise the same problems as `Session.execute`."""
    with driver_errors_as_problems(session.driver):
        rows: list[Any] = await session.driver.fetch(statement, *arguments)
        return rows


async def first(session: Statements, statement: str, *arguments: object) -> Any:
    """Return the first row of a statement; None if there is none."""
    rows = await fetch(session, statement, *arguments)
    return rows[0] if rows else None
