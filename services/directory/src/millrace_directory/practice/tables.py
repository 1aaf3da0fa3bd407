"""The table of practices."""

from sqlalchemy import Column, Table, Text, Uuid

from millrace_directory.tables import Key, metadata, versioned

practice = Table(
    "practice",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("npi", Key, unique=True),
    Column("name", Text, nullable=False),
    Column("phone", Text),
    *versioned(),
)
