"""The table of accounts."""

from sqlalchemy import ARRAY, Column, DateTime, ForeignKey, LargeBinary, Table, Text, Uuid

from millrace_patients.tables import metadata

account = Table(
    "account",
    metadata,
    Column("id", Uuid, ForeignKey("person.id"), primary_key=True),
    Column("email_index", LargeBinary, unique=True),
    Column("sealed_email", LargeBinary),
    Column("password", Text),
    Column("roles", ARRAY(Text), nullable=False),
    Column("practices", ARRAY(Uuid), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
"""Of an erased account only id, roles and practices stay."""
