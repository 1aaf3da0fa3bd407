"""Tables of the service, for repositories and migrations."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

patient = Table(
    "patient",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("erased_at", DateTime(timezone=True)),
    CheckConstraint("version >= 0", name="version"),
)

provider_location = Table(
    "place",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("practice_id", Text, index=True),
    CheckConstraint("version > 0", name="version"),
)

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

reply = Table(
    "reply",
    metadata,
    Column("review_id", Uuid, ForeignKey("review.id"), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("text", Text),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("version > 0", name="version"),
)

flag = Table(
    "flag",
    metadata,
    Column("review_id", Uuid, ForeignKey("review.id"), primary_key=True),
    Column("reporter_id", Text, primary_key=True, index=True),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

decision = Table(
    "decision",
    metadata,
    Column("review_id", Uuid, ForeignKey("review.id"), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor_id", Uuid, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("reason", Text),
)

summary = Table(
    "summary",
    metadata,
    Column("npi", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("overall", Double, nullable=False),
    Column("bedside_manner", Double, nullable=False),
    Column("wait_time", Double, nullable=False),
    CheckConstraint("version >= 0", name="version"),
    CheckConstraint("count >= 0", name="count"),
)
