"""Who waits, and what they were offered."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)

from scheduling.tables import metadata

waitlist_entries = Table(
    "waitlist_entries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("place_id", Uuid, ForeignKey("places.id"), nullable=False),
    Column("patient_id", Uuid, nullable=False),
    Column("dependant_id", Uuid),
    Column("visit_reason", Text),
    Column("mode", Text, nullable=False),
    Column("patient_kind", Text, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("state", Text, nullable=False),
    Column("seen", BigInteger, nullable=False, server_default=text("0")),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("last_day >= first_day", name="days"),
    CheckConstraint("state IN ('waiting', 'offered', 'done')", name="state"),
    Index("waitlist_entries_place_id_id_idx", "place_id", "id", postgresql_where=text("state = 'waiting'")),
    Index("waitlist_entries_patient_id_id_idx", "patient_id", "id"),
    Index(
        "waitlist_entries_seen_place_id_id_idx",
        "seen",
        "place_id",
        "id",
        postgresql_where=text("state = 'waiting' AND seen <= 0"),
    ),
    Index("waitlist_entries_last_day_idx", "last_day", postgresql_where=text("state = 'waiting'")),
)
"""Ids rise with time: their order is the line. `seen` is up to which change of openings was looked at: 0 for none yet,
so that the whole line has to be looked at; -1 where it is looked at next."""

waitlist_offers = Table(
    "waitlist_offers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("entry_id", Uuid, ForeignKey("waitlist_entries.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("claim_id", Uuid, nullable=False),
    Column("start", DateTime(timezone=True), nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("state IN ('offered', 'taken', 'lapsed')", name="state"),
    Index("waitlist_offers_expires_at_idx", "expires_at", postgresql_where=text("state = 'offered'")),
)

waitlist_progress = Table(
    "waitlist_progress",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="id"),
)
"""Up to which change of openings the lines of their places are marked to be looked at."""
