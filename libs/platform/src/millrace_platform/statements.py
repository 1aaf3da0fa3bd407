"""Run frequent statements on asyncpg's own connection, because SQLAlchemy takes twice as long."""

from typing import Any, TypeAlias

from millrace_platform.database import Connection, Session
from millrace_platform.database_errors import driver_errors_as_problems

Statements: TypeAlias = Session | Connection
"""Runs statements in one transaction (`Session`), or each in its own (`Connection`)."""


async def fetch(session: Statements, statement: str, *arguments: object) -> list[Any]:
    """Run SQL with arguments for `$1`, `$2` etc. and return all rows. Problems: as from `Session.execute`."""
    with driver_errors_as_problems(session.driver):
        rows: list[Any] = await session.driver.fetch(statement, *arguments)
        return rows


async def fetch_first(session: Statements, statement: str, *arguments: object) -> Any:
    """Run SQL as `fetch` does and return the first row; None if there is none."""
    rows = await fetch(session, statement, *arguments)
    return rows[0] if rows else None
