"""Rows of one table as states of one aggregate."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Generic

from sqlalchemy import ColumnElement, Table, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_directory.events import Key
from millrace_directory.model import S, Stored
from millrace_platform.database import ReadSession, Session


@dataclass(frozen=True, slots=True)
class Repository(Generic[S]):
    """Reads and writes states of one type, whose fields are columns of the table."""

    table: Table
    state: type[S]

    @property
    def key(self) -> ColumnElement[Any]:
        return self.table.c[self.state.identity[0]]

    async def get(self, session: ReadSession, key: Key) -> Stored[S] | None:
        """The row with this key, a tombstone too."""
        row = (await session.execute(select(self.table).where(self.key == key))).mappings().one_or_none()
        if row is None:
            return None
        state = self.state(**{name: _frozen(row[name]) for name in self._fields()})
        return Stored(state, row["version"], row["deleted_at"] is not None)

    async def add(self, session: Session, state: S) -> bool:
        """Insert the state with version 1; False where its key or another unique value is taken."""
        statement = insert(self.table).values(version=1, **self._values(state)).on_conflict_do_nothing()
        return (await session.execute(statement.returning(literal(1)))).first() is not None

    async def advance(self, session: Session, before: Stored[S], after: S, deleted_at: datetime | None = None) -> bool:
        """Write the next version over `before`; False where the row has another version than that by now."""
        statement = (
            update(self.table)
            .where(self.key == before.state.key, self.table.c.version == before.version)
            .values(version=before.version + 1, deleted_at=deleted_at, **self._values(after))
        )
        return (await session.execute(statement.returning(literal(1)))).first() is not None

    async def lock_live(self, session: Session, keys: Sequence[Key]) -> set[Key]:
        """Which of these are there. They stay as they are until the transaction ends."""
        statement = select(self.key).where(self.key.in_(keys), self.table.c.deleted_at.is_(None))
        rows = await session.execute(statement.order_by(self.key).with_for_update(read=True))
        return set(rows.scalars())

    def _fields(self) -> list[str]:
        return [field.name for field in fields(self.state)]  # type: ignore[arg-type] # every State is a dataclass

    def _values(self, state: S) -> dict[str, Any]:
        return {name: _plain(getattr(state, name)) for name in self._fields()}


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
