"""Practices as the feed carries them."""

from sqlalchemy import select

from millrace_contracts.entities import Practice
from millrace_contracts.registry import PRACTICE
from millrace_directory.practice.tables import practice
from millrace_directory.wire import Kind, Row


def entity(row: Row) -> Practice:
    return Practice(id=str(row["id"]), name=row["name"], npi=row["npi"], phone=row["phone"])


_columns = practice.c
PRACTICES = Kind(
    contract=PRACTICE,
    query=select(
        _columns.id,
        _columns.version,
        _columns.deleted_at.is_not(None).label("deleted"),
        _columns.name,
        _columns.npi,
        _columns.phone,
    ),
    key=_columns.id,
    order=(_columns.id,),
    entity=entity,
)
