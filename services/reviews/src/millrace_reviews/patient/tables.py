"""The table of patients. Version 0: only visits told of this one so far."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Table, Text

from millrace_reviews.tables import metadata

patient = Table(
    "patient",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("erased_at", DateTime(timezone=True)),
    CheckConstraint("version >= 0", name="version"),
)
