"""Tables of scheduled emails and of erased patients, with opaque ids only. Contacts are fetched on sending."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from millrace_notifications.tables import metadata

_WAITING = sql("state = 'waiting'")

scheduled_email = Table(
    "scheduled_email",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("patient_id", Text, nullable=False),
    Column("template_data", JSONB, nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False),
    Column("lease", Uuid),
    Column("lease_until", DateTime(timezone=True)),
    Column("settled_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('waiting', 'sent', 'dropped', 'expired', 'failed')", name="state"),
    UniqueConstraint("kind", "entity", "version"),
    Index("scheduled_email_due_at_idx", "due_at", postgresql_where=_WAITING),
    Index("scheduled_email_entity_idx", "entity", postgresql_where=_WAITING),
    Index("scheduled_email_patient_id_idx", "patient_id", postgresql_where=_WAITING),
    Index("scheduled_email_settled_at_idx", "settled_at"),
)

erased_patient = Table(
    "erased_patient",
    metadata,
    Column("id", Text, primary_key=True),
    Column("erased_at", DateTime(timezone=True), nullable=False),
)
