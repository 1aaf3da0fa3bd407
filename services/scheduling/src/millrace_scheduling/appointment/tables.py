"""The table of appointments."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from millrace_scheduling.tables import metadata

appointments = Table(
    "appointments",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("reservation_id", Uuid, nullable=False),
    Column("patient_id", Uuid),
    Column("dependant_id", Uuid),
    Column("insurance_card_id", Uuid),
    Column("provider_location_id", Uuid, nullable=False),
    Column("npi", Text, nullable=False),
    Column("start", DateTime(timezone=True), nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("visit_type", Text, nullable=False),
    Column("visit_reason", Text),
    Column("mode", Text, nullable=False),
    Column("patient_kind", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("moved_from", DateTime(timezone=True)),
    Column("cancelled_by", Text),
    Column("cancellation_reason", Text),
    Column("completed_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("reservation_id"),
    CheckConstraint("version > 0", name="version"),
    CheckConstraint("state IN ('booked', 'confirmed', 'arrived', 'completed', 'cancelled', 'no_show')", name="state"),
    CheckConstraint(
        "(state = 'cancelled') = (cancelled_by IS NOT NULL AND cancellation_reason IS NOT NULL)", name="cancellation"
    ),
    Index("appointments_patient_id_start_id_idx", "patient_id", "start", "id"),
    Index("appointments_provider_location_id_start_id_idx", "provider_location_id", "start", "id"),
)
"""`patient_id` is null once the patient's data was erased. `reservation_id` is the provider's reserved time."""
