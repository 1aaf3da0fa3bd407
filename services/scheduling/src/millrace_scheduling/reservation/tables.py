"""The table of reservations. An exclusion constraint, created by the migration, prevents double bookings."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import TSTZRANGE

from millrace_scheduling.tables import metadata

reservations = Table(
    "reservations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("provider_location_id", Uuid, nullable=False),
    Column("npi", Text, nullable=False),
    Column("patient_id", Uuid, nullable=False),
    Column("dependant_id", Uuid),
    Column("start", DateTime(timezone=True), nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("occupied", TSTZRANGE, nullable=False),
    Column("kind", Text, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("extended", Boolean, nullable=False, server_default=text("false")),
    Column("visit_type", Text, nullable=False),
    Column("visit_reason", Text),
    Column("mode", Text, nullable=False),
    Column("patient_kind", Text, nullable=False),
    Column("address", LargeBinary),
    Column("offer_id", Uuid),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("kind IN ('hold', 'appointment')", name="kind"),
    CheckConstraint("(kind = 'hold') = (expires_at IS NOT NULL)", name="expiry"),
    Index(
        "reservations_provider_location_id_start_key",
        "provider_location_id",
        "start",
        unique=True,
        postgresql_where=text("live"),
    ),
    Index("reservations_npi_start_idx", "npi", "start", postgresql_where=text("live")),
    Index("reservations_patient_id_idx", "patient_id"),
    Index("reservations_address_idx", "address", postgresql_where=text("address IS NOT NULL")),
    Index("reservations_expires_at_idx", "expires_at", postgresql_where=text("live AND kind = 'hold'")),
    Index("reservations_created_at_idx", "created_at", postgresql_where=text("NOT live")),
)
"""`occupied` is the visit with its buffers. A live hold whose `expires_at` has passed occupies no time."""
