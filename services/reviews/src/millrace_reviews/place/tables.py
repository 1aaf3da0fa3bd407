"""The table of places: provider-locations with their practice."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Table, Text

from millrace_reviews.tables import metadata

place = Table(
    "place",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("practice_id", Text, index=True),
    CheckConstraint("version > 0", name="version"),
)
