"""Reading the entities of one kind for people: one by key, or in pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias

from sqlalchemy import Column

from millrace_directory.errors import is_not_there
from millrace_directory.events import Key
from millrace_directory.wire import E, Kind, Written
from millrace_platform.database import ReadSessions
from millrace_platform.pagination import Cursors

Filters: TypeAlias = Mapping[Column[Any], object | None]
"""Values that columns must have; None filters nothing."""


@dataclass(frozen=True, slots=True)
class Page(Generic[E]):
    """Some of a list's entities, and the cursor of the page behind them; None where there is none."""

    items: list[Written[E]]
    next: str | None


@dataclass(frozen=True, slots=True)
class Reader(Generic[E]):
    """Reads entities that are there; a tombstone isn't."""

    kind: Kind[E]
    sessions: ReadSessions

    async def get(self, key: Key) -> Written[E]:
        """Raises a 404 problem."""
        async with self.sessions() as session:
            row = (await session.execute(self.kind.query.where(self.kind.key == key))).mappings().one_or_none()
        if row is None or row["deleted"]:
            raise is_not_there(self.kind, key)
        return self.kind.written(row)

    async def page(self, cursor: str | None, limit: int, filters: Filters) -> Page[E]:
        """The first `limit` entities behind the cursor, in key order. A 422 problem for a cursor of another list.

        Entities that stay are shown exactly once over all pages; those that come or go meanwhile are shown or not.
        """
        wanted = {column: value for column, value in filters.items() if value is not None}
        scope = {str(column): str(value) for column, value in wanted.items()}
        cursors = Cursors(self.kind.contract.name, self.kind.position_type)
        position = None if cursor is None else cursors.read(cursor, filters=scope)
        query = self.kind.behind(position).where(self.kind.live, *(column == value for column, value in wanted.items()))
        async with self.sessions() as session:
            rows = (await session.execute(query.limit(limit + 1))).mappings().all()
        following = cursors.write(self.kind.position(rows[limit - 1]), filters=scope) if len(rows) > limit else None
        return Page([self.kind.written(row) for row in rows[:limit]], following)
