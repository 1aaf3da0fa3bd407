"""From rows to the entities on the wire: the one way by which REST, the feed, the snapshot and the importers speak."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from sqlalchemy import Column, ColumnElement, Select, any_, bindparam, literal, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

from millrace_contracts.entities import Entity
from millrace_contracts.registry import Contract

E = TypeVar("E", bound=Entity)


class Row(Protocol):
    """A row of a kind's `query`, by column name: SQLAlchemy's `RowMapping`, asyncpg's `Record`, a plain dict."""

    def __getitem__(self, name: str, /) -> Any: ...


CLEAN = frozenset({"position", "time_zone", "specialty", "display_name"})
"""Fields of the entities that the refinery fills in; the directory has none of them."""

NULL = b"null"
_encoder = msgspec.json.Encoder()


class Written(msgspec.Struct, Generic[E], frozen=True):
    """An entity as it stands at a version. A tombstone (`deleted`) still shows the last state."""

    subject: str
    version: int
    deleted: bool
    entity: E

    @property
    def data(self) -> bytes:
        """The JSON that goes on the wire: the whole state, `null` for a tombstone."""
        return NULL if self.deleted else _encoder.encode(self.entity)


@dataclass(frozen=True, slots=True, eq=False)
class Kind(Generic[E]):
    """How one kind of entity is read.

    `query` selects what `entity` needs, and `version` and `deleted`; tombstones included. `key` finds a row; sorted by
    `order`, rows run in the order of their subjects.
    """

    contract: Contract[E]
    query: Select[Any]
    key: Column[Any]
    order: tuple[Column[Any], ...]
    entity: Callable[[Row], E]

    @property
    def live(self) -> ColumnElement[bool]:
        """The condition that a row isn't a tombstone."""
        return self.key.table.c.deleted_at.is_(None)

    def written(self, row: Row) -> Written[E]:
        entity = self.entity(row)
        return Written(self.contract.subject(entity), row["version"], row["deleted"], entity)

    def behind(self, position: Sequence[Any] | None) -> Select[Any]:
        """The rows behind a position (values of `order`), all where it is None; in the order of their subjects."""
        query = self.query.order_by(*self.order)
        if position is None:
            return query
        parts = (literal(part, column.type) for part, column in zip(position, self.order, strict=True))
        return query.where(tuple_(*self.order) > tuple_(*parts))

    @property
    def position_type(self) -> Any:
        """The type of a position, e.g. `tuple[str, UUID]`."""
        # A type made while running, which a type checker takes for a mistake.
        return tuple[tuple(column.type.python_type for column in self.order)]  # type: ignore[misc]

    def position(self, row: Row) -> tuple[Any, ...]:
        """Where the row stands in `order`."""
        return tuple(row[column.key] for column in self.order)


@cache
def by_keys(kind: Kind[Any]) -> str:
    """The kind's query for the rows with an array of keys, `$1`, as the driver takes it."""
    query = kind.query.where(kind.key == any_(bindparam("keys", type_=ARRAY(kind.key.type))))
    # SQLAlchemy publishes its dialects without types.
    return str(query.compile(dialect=asyncpg_dialect()))  # type: ignore[no-untyped-call]
