"""The table of calendar feeds."""

from sqlalchemy import CheckConstraint, Column, DateTime, Index, LargeBinary, Table, Text, UniqueConstraint, Uuid

from millrace_scheduling.tables import metadata

ics_feeds = Table(
    "ics_feeds",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("patient_id", Uuid),
    Column("provider_location_id", Uuid),
    Column("npi", Text),
    Column("practice_id", Uuid),
    Column("created_by", Uuid, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("secret_hash"),
    CheckConstraint("num_nonnulls(patient_id, provider_location_id, npi) = 1", name="whose"),
    Index("ics_feeds_created_by_id_idx", "created_by", "id"),
)
"""`secret_hash`: only a digest, so that read access to the database gives no access to the feeds."""
