"""The shares that hold."""

from sqlalchemy import Column, DateTime, ForeignKey, Table, Uuid

from millrace_patients.tables import metadata

share = Table(
    "share",
    metadata,
    Column("patient_id", Uuid, ForeignKey("patient.id"), primary_key=True),
    Column("practice_id", Uuid, primary_key=True),
    Column("since", DateTime(timezone=True), nullable=False),
)
