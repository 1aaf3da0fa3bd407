"""What all tables of the directory have in common."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, MetaData, Text
from sqlalchemy.sql.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

Key = Text(collation="C")
"""Text that is a key: compared by bytes, so that lists and the snapshot run in the order of the subjects."""


def versioned() -> tuple[SchemaItem, ...]:
    """Columns of every aggregate. `version` never falls; a row with `deleted_at` is a tombstone."""
    return (
        Column("version", BigInteger, nullable=False),
        Column("deleted_at", DateTime(timezone=True)),
        CheckConstraint("version > 0", name="version"),
    )
