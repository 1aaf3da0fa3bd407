"""Read and write the rows of one aggregate."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Generic

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.sql.dml import Update

from millrace_directory.model import Key, S
from millrace_directory.wire import E, Kind, Row, VersionedEntity, query_by_keys
from millrace_platform.database import Session
from millrace_platform.statements import fetch_first


@dataclass(frozen=True, slots=True)
class AggregateRow(Generic[S, E]):
    """A row in two forms: `state`, which the rules check, and `versioned`, the entity for responses and events."""

    state: S
    versioned: VersionedEntity[E]


@dataclass(frozen=True, slots=True)
class Repository(Generic[S, E]):
    """Reads and writes the rows of one kind of aggregate. The fields of the class `state` are columns of its table."""

    kind: Kind[E]
    state: type[S]

    async def find(self, session: Session, key: Key) -> AggregateRow[S, E] | None:
        """Return the row with this key, also if it is a tombstone; None if there is none."""
        row = await fetch_first(session, query_by_keys(self.kind), [key])
        return None if row is None else self._aggregate_row(row)

    async def insert(self, session: Session, state: S) -> AggregateRow[S, E] | None:
        """Insert the state with version 1 and return the row; None if its key or another unique value is taken."""
        return await self._write(
            session, insert(self.kind.table).values(version=1, **self._values(state)).on_conflict_do_nothing()
        )

    async def update(
        self, session: Session, before: AggregateRow[S, E], after: S, deleted_at: datetime | None = None
    ) -> AggregateRow[S, E] | None:
        """Write `after` as the next version and return the row; None if the current version is no longer `before`'s."""
        version = before.versioned.version
        return await self._write(
            session,
            update(self.kind.table)
            .where(self.kind.key == before.state.key, self.kind.table.c.version == version)
            .values(version=version + 1, deleted_at=deleted_at, **self._values(after)),
        )

    async def lock_live(self, session: Session, keys: Sequence[Key]) -> set[Key]:
        """Lock the live rows with these keys against changes until the transaction ends, and return their keys."""
        key = self.kind.key
        statement = select(key).where(key.in_(keys), self.kind.is_live).order_by(key).with_for_update(read=True)
        return set((await session.execute(statement)).scalars())

    async def has_live(self, session: Session, condition: ColumnElement[bool]) -> bool:
        """Return whether a live row meets the condition."""
        return bool(await session.scalar(select(exists().where(condition, self.kind.is_live))))

    async def _write(self, session: Session, statement: Insert | Update) -> AggregateRow[S, E] | None:
        written = statement.returning(self.kind.table).cte("written")
        row = (await session.execute(self.kind.select_from(written))).mappings().one_or_none()
        return None if row is None else self._aggregate_row(row)

    def _aggregate_row(self, row: Row) -> AggregateRow[S, E]:
        state = self.state(**{name: _to_field(row[name]) for name in self._fields()})
        return AggregateRow(state, self.kind.versioned(row))

    def _fields(self) -> list[str]:
        return [field.name for field in fields(self.state)]  # type: ignore[arg-type] # every State is a dataclass

    def _values(self, state: S) -> dict[str, Any]:
        return {name: _to_column(getattr(state, name)) for name in self._fields()}


def _to_field(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _to_column(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
