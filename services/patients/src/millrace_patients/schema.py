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
    Column("password", Text),
    Column("roles", ARRAY(Text), nullable=False),
    Column("practices", ARRAY(Uuid), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
"""An erased account retains its id, roles and practices."""

session_table = Table(
    "session",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, ForeignKey("account.id"), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True)),
    Index("session_account_id_idx", "account_id"),
    Index("session_expires_at_idx", "expires_at"),
)

refresh_token = Table(
    "refresh_token",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("session_id", Uuid, ForeignKey("session.id", ondelete="CASCADE"), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
    Index("refresh_token_session_id_idx", "session_id"),
    Index("refresh_token_expires_at_idx", "expires_at"),
)

challenge = Table(
    "challenge",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("email_index", LargeBinary, nullable=False),
    Column("person", Uuid),
    Column("sealed", LargeBinary, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Index("challenge_email_index_idx", "email_index"),
    Index("challenge_expires_at_idx", "expires_at"),
)

outbound_mail = Table(
    "outbound_mail",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("person", Uuid),
    Column("email_index", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("outbound_mail_email_index_idx", "email_index"),
    Index("outbound_mail_created_at_idx", "created_at"),
)

throttle = Table(
    "throttle",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last", Float(53), nullable=False),
    Index("throttle_last_idx", "last"),
)
"""Attempt counts. `key` is a MAC, so the table contains no addresses; `last` is in Unix seconds."""

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
    Column("since", DateTime(timezone=True), nullable=False),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("chain", SmallInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("request_id", Text),
    Column("actor", Uuid),
    Column("roles", Text, nullable=False),
    Column("person", Uuid, nullable=False),
    Column("deed", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Index("audit_entry_person_seq_idx", "person", "seq"),
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
