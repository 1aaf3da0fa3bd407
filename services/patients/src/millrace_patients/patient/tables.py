"""The table of patients: what the feed tells of."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Table, Text, Uuid

from millrace_patients.tables import metadata

patient = Table(
    "patient",
    metadata,
    Column("id", Uuid, ForeignKey("person.id"), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    CheckConstraint("version > 0", name="version"),
    CheckConstraint("state IN ('active', 'erased')", name="state"),
)
