"""Reads the live entities of one kind: one by key, or in pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias

from sqlalchemy import Column

from millrace_directory.errors import not_found
from millrace_directory.model import Key
from millrace_directory.wire import E, Kind, VersionedEntity
from millrace_platform.database import ReadSessions
from millrace_platform.pagination import Cursors

Filters: TypeAlias = Mapping[Column[Any], object | None]
"""Required values by column; None means that the column isn't filtered."""


@dataclass(frozen=True, slots=True)
class Page(Generic[E]):
    """A page of a list. `next` is the cursor of the next page, None on the last one."""

    items: list[VersionedEntity[E]]
    next: str | None


@dataclass(frozen=True, slots=True)
class Reader(Generic[E]):
    """Reads live entities; deleted ones aren't found."""

    kind: Kind[E]
    sessions: ReadSessions

    async def get(self, key: Key) -> VersionedEntity[E]:
        """Return the entity with this key; raise a 404 problem if there is none."""
        async with self.sessions() as session:
            row = (await session.execute(self.kind.query.where(self.kind.key == key))).mappings().one_or_none()
        if row is None or row["deleted"]:
            raise not_found(self.kind)
        return self.kind.versioned(row)

    async def page(self, cursor: str | None, limit: int, filters: Filters) -> Page[E]:
        """Return a page of up to `limit` entities after the cursor (None: from the beginning) that match the filters.

        Raise a 422 problem for the cursor of another list. All pages together show each entity exactly once, except
        those that are created or deleted meanwhile.
        """
        wanted = {column: value for column, value in filters.items() if value is not None}
        scope = {str(column): str(value) for column, value in wanted.items()}
        cursors = Cursors(self.kind.contract.name, self.kind.position_type)
        position = None if cursor is None else cursors.read(cursor, filters=scope)
        conditions = (column == value for column, value in wanted.items())
        query = self.kind.query_after(position).where(self.kind.is_live, *conditions)
        async with self.sessions() as session:
            rows = (await session.execute(query.limit(limit + 1))).mappings().all()
        following = cursors.write(self.kind.position(rows[limit - 1]), filters=scope) if len(rows) > limit else None
        return Page([self.kind.versioned(row) for row in rows[:limit]], following)
