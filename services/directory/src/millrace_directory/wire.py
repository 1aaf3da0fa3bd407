"""Converts rows to the entities that REST, the feed, the snapshot and the imports use."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    FromClause,
    Select,
    Table,
    Uuid,
    any_,
    bindparam,
    literal,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

from millrace_contracts.entities import Entity
from millrace_contracts.registry import Contract

E = TypeVar("E", bound=Entity)


class Row(Protocol):
    """A database row of an entity, by column name: SQLAlchemy's `RowMapping`, asyncpg's `Record`, or a dict."""

    def __getitem__(self, name: str, /) -> Any: ...


class InvalidRowError(Exception):
    """Raised for a row that breaks the contract of its entity, for example one written by hand.

    The text names the table, the key and the field; it contains no other value of the row, so it can be logged.
    """


CLEAN = frozenset({"position", "time_zone", "specialty", "display_name"})
"""Fields of the entities that only the refinery, which cleans data for search, fills in."""

NULL = b"null"
_encoder = msgspec.json.Encoder()


class VersionedEntity(msgspec.Struct, Generic[E], frozen=True):
    """One version of an entity. If it is `deleted` (a tombstone), `entity` is its last state."""

    subject: str
    version: int
    deleted: bool
    entity: E

    @property
    def data(self) -> bytes:
        """The data of the event as JSON: the whole state, or `null` for a tombstone."""
        return NULL if self.deleted else _encoder.encode(self.entity)


def select_versioned(source: FromClause, *joined: ColumnElement[Any]) -> Select[Any]:
    """Return a query for the columns of `source` and `joined`, with `deleted` (a Boolean) in place of `deleted_at`.

    `source` is a table, or the rows that a statement returns.
    """
    own = [column for column in source.c if column.key != "deleted_at"]
    return select(*own, source.c.deleted_at.is_not(None).label("deleted"), *joined)


class Kind(Generic[E]):
    """One kind of entity, and how it is read from its table.

    `query` selects all rows, including tombstones. `key` is the primary key; sorting by the columns `order` sorts rows
    like the subjects of their events. `entity` converts a row to an entity.
    """

    def __init__(
        self,
        contract: Contract[E],
        table: Table,
        *,
        order: Sequence[Column[Any]] = (),
        select_from: Callable[[FromClause], Select[Any]] = select_versioned,
        entity: Callable[[Row], E] | None = None,
    ) -> None:
        """Describe a kind of entity.

        `select_from` returns the query for a table, or for rows of it that a statement returned, with the joins it
        needs. Without `entity`, the fields of the entity are the columns of the same names.
        """
        (self.key,) = table.primary_key
        self.contract = contract
        self.table = table
        self.order = tuple(order) or (self.key,)
        self.select_from = select_from
        self.query = select_from(table)
        self.entity = entity or _entity_by_names(contract.type, table)

    @property
    def is_live(self) -> ColumnElement[bool]:
        """The SQL condition that a row isn't a tombstone."""
        return self.table.c.deleted_at.is_(None)

    def versioned(self, row: Row) -> VersionedEntity[E]:
        """Return the entity of a row with its version; raise `InvalidRowError` if it breaks the entity's contract."""
        try:
            entity = self.entity(row)
        except msgspec.ValidationError as error:
            place = f"{self.table.name} {row[self.key.name]}, {str(error).rpartition(' at ')[2]}"
            raise InvalidRowError(f"Invalid value in the database ({place}). Correct it there.") from None
        return VersionedEntity(self.contract.subject(entity), row["version"], row["deleted"], entity)

    def query_after(self, position: Sequence[Any] | None) -> Select[Any]:
        """Return the query for all rows after a position (values of `order`), sorted; None is the beginning."""
        query = self.query.order_by(*self.order)
        if position is None:
            return query
        parts = (literal(part, column.type) for part, column in zip(position, self.order, strict=True))
        return query.where(tuple_(*self.order) > tuple_(*parts))

    @property
    def position_type(self) -> Any:
        """The Python type of a position, e.g. `tuple[str, UUID]`."""
        # Type checkers don't accept a type that is made at run time.
        return tuple[tuple(column.type.python_type for column in self.order)]  # type: ignore[misc]

    def position(self, row: Row) -> tuple[Any, ...]:
        """Return the position of a row: its values of the columns `order`."""
        return tuple(row[column.key] for column in self.order)


def _entity_by_names(kind: type[E], table: Table) -> Callable[[Row], E]:
    """Return a function that converts a row to an entity by the names of columns; UUIDs become text."""
    names = [name for name in kind.__struct_fields__ if name in table.c]
    uuids = [name for name in names if isinstance(table.c[name].type, Uuid)]

    def entity(row: Row) -> E:
        # The names in SQLAlchemy's rows have a type that msgspec doesn't accept. Imports make millions of dicts.
        values = dict(row) if isinstance(row, dict) else {name: row[name] for name in names}
        for name in uuids:
            values[name] = str(values[name])
        return msgspec.convert(values, kind)

    return entity


@cache
def query_by_keys(kind: Kind[Any]) -> str:
    """Return the SQL of the kind's query for the rows whose keys are in the array `$1`."""
    query = kind.query.where(kind.key == any_(bindparam("keys", type_=ARRAY(kind.key.type))))
    # SQLAlchemy publishes its dialects without types.
    return str(query.compile(dialect=asyncpg_dialect()))  # type: ignore[no-untyped-call]
