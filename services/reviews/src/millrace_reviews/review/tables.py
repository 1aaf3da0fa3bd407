"""The table of reviews. One that was withdrawn stays as a tombstone, so that a visit is reviewed once."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    Table,
    Text,
    Uuid,
)

from millrace_reviews.tables import metadata

review = Table(
    "review",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("seq", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("appointment_id", Text, ForeignKey("visit.id"), nullable=False, unique=True),
    Column("author_id", Text, ForeignKey("patient.id")),
    Column("npi", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("doubted", Boolean, nullable=False),
    Column("reason", Text),
    Column("overall", SmallInteger, nullable=False),
    Column("bedside_manner", SmallInteger, nullable=False),
    Column("wait_time", SmallInteger, nullable=False),
    Column("text", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("version > 0", name="version"),
    CheckConstraint("state IN ('pending', 'published', 'rejected', 'hidden', 'withdrawn')", name="state"),
    CheckConstraint("overall BETWEEN 1 AND 5", name="overall"),
    CheckConstraint("bedside_manner BETWEEN 1 AND 5", name="bedside_manner"),
    CheckConstraint("wait_time BETWEEN 1 AND 5", name="wait_time"),
    Index("review_author_id_seq_idx", "author_id", "seq"),
)
Index("review_published_idx", review.c.npi, review.c.seq, postgresql_where=review.c.state == "published")
Index("review_waiting_idx", review.c.state, review.c.seq, postgresql_where=review.c.state != "published")
