"""The table of summaries, as they were told. Version 0: nothing was told yet."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Double, Integer, Table, Text

from millrace_reviews.tables import metadata

summary = Table(
    "summary",
    metadata,
    Column("npi", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("overall", Double, nullable=False),
    Column("bedside_manner", Double, nullable=False),
    Column("wait_time", Double, nullable=False),
    CheckConstraint("version >= 0", name="version"),
    CheckConstraint("count >= 0", name="count"),
)
