"""Tables of the service, for queries. The baseline migration creates them, with the check constraints."""

from sqlalchemy import (
    BigInteger,
    Boolean,
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

from millrace_platform.audit.tables import add_audit_tables
from millrace_platform.revocation import define_revocation_table

metadata = MetaData(
    naming_convention={"uq": "%(table_name)s_%(column_0_N_name)s_key", "ix": "%(table_name)s_%(column_0_N_name)s_idx"}
)
define_revocation_table(metadata)

add_audit_tables(metadata)

patient = Table(
    "patient",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("erased_at", DateTime(timezone=True)),
)

provider_location = Table(
    "provider_location",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("practice_id", Text, index=True),
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
    Column("start", DateTime(timezone=True), nullable=False),
    Column("month", Text, nullable=False, index=True),
    Column("completed_at", DateTime(timezone=True)),
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
    Column("needs_moderator", Boolean, nullable=False),
    Column("reason", Text),
    Column("overall", SmallInteger, nullable=False),
    Column("bedside_manner", SmallInteger, nullable=False),
    Column("wait_time", SmallInteger, nullable=False),
    Column("text", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Index("review_author_id_seq_idx", "author_id", "seq"),
)
Index("review_published_idx", review.c.npi, review.c.seq, postgresql_where=review.c.state == "published")
Index("review_unpublished_idx", review.c.state, review.c.seq, postgresql_where=review.c.state != "published")

reply = Table(
    "reply",
    metadata,
    Column("review_id", Uuid, ForeignKey("review.id"), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("text", Text),
    Column("changed_at", DateTime(timezone=True), nullable=False),
)

flag = Table(
    "flag",
    metadata,
    Column("review_id", Uuid, ForeignKey("review.id"), primary_key=True),
    Column("reporter_id", Text, primary_key=True, index=True),
    Column("reason", Text, nullable=False),
    Column("reported_at", DateTime(timezone=True), nullable=False),
)

decision = Table(
    "decision",
    metadata,
    Column("review_id", Uuid, ForeignKey("review.id"), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("decided_at", DateTime(timezone=True), nullable=False),
    Column("actor_id", Uuid, nullable=False),
    Column("state_before", Text, nullable=False),
    Column("state_after", Text, nullable=False),
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
)
