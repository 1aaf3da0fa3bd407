"""The table of visits."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, ForeignKey, Index, Table, Text

from millrace_reviews.tables import metadata

visit = Table(
    "visit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("patient_id", Text, ForeignKey("patient.id"), index=True),
    Column("npi", Text, nullable=False),
    Column("provider_location_id", Text, nullable=False),
    Column("practice_id", Text, index=True),
    Column("month", Text, nullable=False, index=True),
    Column("completed_at", DateTime(timezone=True)),
    CheckConstraint("version > 0", name="version"),
)
Index("visit_without_practice_idx", visit.c.provider_location_id, postgresql_where=visit.c.practice_id.is_(None))
