"""The table of locations."""

from sqlalchemy import Column, ForeignKey, Table, Text, Uuid

from millrace_directory.tables import metadata, versioned

location = Table(
    "location",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("practice_id", ForeignKey("practice.id"), index=True),
    Column("line1", Text, nullable=False),
    Column("line2", Text),
    Column("city", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("zip", Text, nullable=False),
    Column("phone", Text),
    *versioned(),
)
