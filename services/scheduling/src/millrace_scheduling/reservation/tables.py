"""The table of reservations. Two exclusion constraints, created by the migration, prevent double bookings: of a
provider's time, and of a person's."""

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
    Column("is_released", Boolean, nullable=False, server_default=text("false")),
    Column("expires_at", DateTime(timezone=True)),
    Column("is_extended", Boolean, nullable=False, server_default=text("false")),
    Column("visit_type", Text, nullable=False),
    Column("visit_reason", Text),
    Column("mode", Text, nullable=False),
    Column("patient_kind", Text, nullable=False),
    Column("address_hash", LargeBinary),
    Column("offer_id", Uuid),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("kind IN ('hold', 'appointment')", name="kind"),
    CheckConstraint("(kind = 'hold') = (expires_at IS NOT NULL)", name="expiry"),
    Index(
        "reservations_provider_location_id_start_key",
        "provider_location_id",
        "start",
        unique=True,
        postgresql_where=text("NOT is_released"),
    ),
    Index("reservations_npi_start_idx", "npi", "start", postgresql_where=text("NOT is_released")),
    Index("reservations_patient_id_start_idx", "patient_id", "start"),
    Index("reservations_address_hash_idx", "address_hash", postgresql_where=text("address_hash IS NOT NULL")),
    Index("reservations_expires_at_idx", "expires_at", postgresql_where=text("NOT is_released AND kind = 'hold'")),
    Index("reservations_created_at_idx", "created_at", postgresql_where=text("is_released")),
)
"""`occupied` is the visit with its buffers. A hold whose `expires_at` has passed occupies no time, even before it
is released. `address_hash` is a keyed hash of the client's address, only of holds that aren't released."""
