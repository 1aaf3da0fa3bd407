"""The table of persons."""

from sqlalchemy import Column, DateTime, LargeBinary, Table, Uuid

from millrace_patients.tables import metadata

person = Table(
    "person",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("wrapped_key", LargeBinary),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("erased_at", DateTime(timezone=True)),
)
"""A row without `wrapped_key` is the tombstone of a person whose data can't be read any more, in backups of sealed data
neither."""
