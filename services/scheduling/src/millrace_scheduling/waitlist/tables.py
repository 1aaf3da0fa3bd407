"""Tables of waitlist entries, of offers, and of marks: providers whose entries must be checked."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)

from millrace_scheduling.tables import metadata

waitlist_entries = Table(
    "waitlist_entries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("provider_location_id", Uuid, ForeignKey("provider_locations.id"), nullable=False),
    Column("patient_id", Uuid, nullable=False),
    Column("dependant_id", Uuid),
    Column("visit_reason", Text),
    Column("mode", Text, nullable=False),
    Column("patient_kind", Text, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("state", Text, nullable=False),
    Column("is_due", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("last_day >= first_day", name="days"),
    CheckConstraint("state IN ('waiting', 'offered', 'done')", name="state"),
    Index(
        "waitlist_entries_provider_location_id_id_idx",
        "provider_location_id",
        "id",
        postgresql_where=text("state = 'waiting'"),
    ),
    Index("waitlist_entries_patient_id_id_idx", "patient_id", "id"),
    Index(
        "waitlist_entries_is_due_provider_location_id_id_idx",
        "provider_location_id",
        "id",
        postgresql_where=text("state = 'waiting' AND is_due"),
    ),
    Index("waitlist_entries_last_day_idx", "last_day", postgresql_where=text("state = 'waiting'")),
)
"""Ids increase with time, so the lowest id is the first in line. An exclusion constraint, created by the migration,
gives a person (the dependant, or else the patient) one entry for a day at a provider-location. The processor's next run
looks for free time for the entries that have `is_due`."""

waitlist_offers = Table(
    "waitlist_offers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("entry_id", Uuid, ForeignKey("waitlist_entries.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("reservation_id", Uuid, nullable=False),
    Column("start", DateTime(timezone=True), nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("state IN ('offered', 'taken', 'lapsed')", name="state"),
    Index("waitlist_offers_expires_at_idx", "expires_at", postgresql_where=text("state = 'offered'")),
)

dirty_waitlists = Table(
    "dirty_waitlists",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("npi", Text, nullable=False),
)
"""A log of providers whose time may have become free, or whose waitlist has a new entry. Append-only, so that writers
block neither each other nor the reader."""
