"""Tables of the service, for repositories and migrations."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
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

person = Table(
    "person",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("wrapped_key", LargeBinary),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("erased_at", DateTime(timezone=True)),
)
"""A row without `wrapped_key` is the tombstone of an erased person: sealed data is unreadable, in backups too."""

account = Table(
    "account",
    metadata,
    Column("id", Uuid, ForeignKey("person.id"), primary_key=True),
    Column("email_index", LargeBinary, unique=True),
    Column("sealed_email", LargeBinary),
    Column("password_hash", Text),
    Column("roles", ARRAY(Text), nullable=False),
    Column("practice_ids", ARRAY(Uuid), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
"""An erased account retains its id, roles and practice ids."""

session_table = Table(
    "session",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, ForeignKey("account.id"), nullable=False, index=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
    Column("revoked_at", DateTime(timezone=True)),
)

refresh_token = Table(
    "refresh_token",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("session_id", Uuid, ForeignKey("session.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
    Column("used_at", DateTime(timezone=True)),
)

challenge = Table(
    "challenge",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("email_index", LargeBinary, nullable=False, index=True),
    Column("person_id", Uuid),
    Column("sealed", LargeBinary, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
)

queued_email = Table(
    "queued_email",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("person_id", Uuid),
    Column("email_index", LargeBinary, nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, index=True),
)

throttle = Table(
    "throttle",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_attempt_at", Float(53), nullable=False, index=True),
)
"""Attempt counts. `key` is a MAC, so the table contains no addresses; `last_attempt_at` is in Unix seconds."""

signing_key = Table(
    "signing_key",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Float(53), nullable=False),
)
"""Signing keys. `created_at` is in Unix seconds."""

patient = Table(
    "patient",
    metadata,
    Column("id", Uuid, ForeignKey("person.id"), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    CheckConstraint("version > 0", name="version"),
    CheckConstraint("state IN ('active', 'erased')", name="state"),
)

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

share = Table(
    "share",
    metadata,
    Column("patient_id", Uuid, ForeignKey("patient.id"), primary_key=True),
    Column("practice_id", Uuid, primary_key=True),
    Column("shared_at", DateTime(timezone=True), nullable=False),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("chain", SmallInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("request_id", Text),
    Column("actor_id", Uuid),
    Column("roles", Text, nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Index("audit_entry_person_id_seq_idx", "person_id", "seq"),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("chain", SmallInteger, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
)

root_key = Table(
    "root_key",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    CheckConstraint("id = 1", name="id"),
)
