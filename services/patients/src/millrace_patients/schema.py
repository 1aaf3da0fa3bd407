"""Tables of the service, for repositories and migrations."""

import sqlalchemy as sa

from millrace_platform.audit.tables import add_audit_tables

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

person = sa.Table(
    "person",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("wrapped_key", sa.LargeBinary),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("erased_at", sa.DateTime(timezone=True)),
    sa.Column("is_erasure_recorded", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index(
        "person_unrecorded_erasure_idx",
        "id",
        postgresql_where=sa.text("erased_at IS NOT NULL AND NOT is_erasure_recorded"),
    ),
)
"""A row without `wrapped_key` is the tombstone of an erased person: sealed data is unreadable, in backups too."""

account = sa.Table(
    "account",
    metadata,
    sa.Column("id", sa.Uuid, sa.ForeignKey("person.id"), primary_key=True),
    sa.Column("email_index", sa.LargeBinary, unique=True),
    sa.Column("sealed_email", sa.LargeBinary),
    sa.Column("password_hash", sa.Text),
    sa.Column("roles", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("practice_ids", sa.ARRAY(sa.Uuid), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("tokens_valid_from", sa.DateTime(timezone=True)),
)
"""`version` of the last `account` event, 0 before the first. Tokens issued before `tokens_valid_from` are refused.

An erased account retains its id, roles and practice ids.
"""

second_factor = sa.Table(
    "second_factor",
    metadata,
    sa.Column("account_id", sa.Uuid, sa.ForeignKey("account.id"), primary_key=True),
    sa.Column("sealed_secret", sa.LargeBinary, nullable=False),
    sa.Column("last_used_step", sa.BigInteger, nullable=False),
    sa.Column("confirmed_at", sa.DateTime(timezone=True)),
)

recovery_code = sa.Table(
    "recovery_code",
    metadata,
    sa.Column("account_id", sa.Uuid, sa.ForeignKey("account.id"), primary_key=True),
    sa.Column("hash", sa.LargeBinary, primary_key=True),
)

session_table = sa.Table(
    "session",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("account_id", sa.Uuid, sa.ForeignKey("account.id"), nullable=False, index=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False, index=True),
    sa.Column("revoked_at", sa.DateTime(timezone=True)),
    sa.Column("has_second_factor", sa.Boolean, nullable=False, server_default=sa.false()),
)

refresh_token = sa.Table(
    "refresh_token",
    metadata,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("session_id", sa.Uuid, sa.ForeignKey("session.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False, index=True),
    sa.Column("used_at", sa.DateTime(timezone=True)),
    sa.Column("used_by", sa.LargeBinary),
    sa.Column("sealed_response", sa.LargeBinary),
)
"""`used_by` is a MAC that identifies the client of the first use."""

challenge = sa.Table(
    "challenge",
    metadata,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("email_index", sa.LargeBinary, nullable=False, index=True),
    sa.Column("person_id", sa.Uuid),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False, index=True),
)

queued_email = sa.Table(
    "queued_email",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("person_id", sa.Uuid),
    sa.Column("email_index", sa.LargeBinary, nullable=False, index=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, index=True),
)

throttle = sa.Table(
    "throttle",
    metadata,
    sa.Column("account", sa.LargeBinary, primary_key=True),
    sa.Column("source", sa.LargeBinary, primary_key=True, index=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("successes", sa.Integer, nullable=False),
    sa.Column("last_attempt_at", sa.Float(53), nullable=False, index=True),
)
"""Attempts of a source at an account. Both are MACs, so the table contains no addresses; times are Unix seconds."""

signing_key = sa.Table(
    "signing_key",
    metadata,
    sa.Column("kid", sa.Text, primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.Float(53), nullable=False),
)
"""Signing keys. `created_at` is in Unix seconds."""

patient = sa.Table(
    "patient",
    metadata,
    sa.Column("id", sa.Uuid, sa.ForeignKey("person.id"), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("may_book", sa.Boolean, nullable=False),
    sa.Column("confirmed_email_index", sa.LargeBinary),
    sa.CheckConstraint("version > 0", name="version"),
    sa.CheckConstraint("state IN ('active', 'erased')", name="state"),
)
"""`confirmed_email_index` is the email index of the profile's address that the patient has confirmed last."""

record = sa.Table(
    "record",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("patient_id", sa.Uuid, sa.ForeignKey("patient.id"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("sealed", sa.LargeBinary),
    sa.Column("deleted_at", sa.DateTime(timezone=True)),
    sa.CheckConstraint("version > 0", name="version"),
    sa.CheckConstraint("(sealed IS NULL) = (deleted_at IS NOT NULL)", name="tombstone"),
    sa.Index("record_patient_id_kind_id_idx", "patient_id", "kind", "id"),
)

share = sa.Table(
    "share",
    metadata,
    sa.Column("patient_id", sa.Uuid, sa.ForeignKey("patient.id"), primary_key=True),
    sa.Column("practice_id", sa.Uuid, primary_key=True),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("shared_at", sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("scope IN ('all', 'visits')", name="scope"),
)

visit_share = sa.Table(
    "visit_share",
    metadata,
    sa.Column("appointment_id", sa.Uuid, primary_key=True),
    sa.Column("practice_id", sa.Uuid, primary_key=True),
    sa.Column("patient_id", sa.Uuid, sa.ForeignKey("patient.id"), nullable=False),
    sa.Column("dependant_id", sa.Uuid),
    sa.Column("insurance_card_id", sa.Uuid),
    sa.Column("is_ended", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("visit_share_patient_id_practice_id_idx", "patient_id", "practice_id"),
)
"""Visits that were shared with their practice. `is_ended` once the patient has ended the share."""

directory_entry = sa.Table(
    "directory_entry",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("is_deleted", sa.Boolean, nullable=False),
    sa.CheckConstraint("version > 0", name="version"),
)
"""Practices and insurance plans, copied from the change feed."""

add_audit_tables(metadata)

root_key = sa.Table(
    "root_key",
    metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True),
    sa.Column("wrapped", sa.LargeBinary, nullable=False),
    sa.CheckConstraint("id = 1", name="id"),
)
