"""The table of places."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Table, Text, Uuid

from millrace_scheduling.tables import metadata

places = Table(
    "places",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("npi", Text, nullable=False, index=True),
    Column("practice_id", Uuid),
    Column("time_zone", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False),
    CheckConstraint("version > 0", name="version"),
)
