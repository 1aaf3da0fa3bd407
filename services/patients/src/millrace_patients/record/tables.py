"""The table of records."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, ForeignKey, Index, LargeBinary, Table, Text, Uuid

from millrace_patients.tables import metadata

record = Table(
    "record",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("patient_id", Uuid, ForeignKey("patient.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("sealed", LargeBinary),
    Column("deleted_at", DateTime(timezone=True)),
    CheckConstraint("version > 0", name="version"),
    CheckConstraint("(sealed IS NULL) = (deleted_at IS NOT NULL)", name="tombstone"),
    Index("record_patient_id_kind_id_idx", "patient_id", "kind", "id"),
)
