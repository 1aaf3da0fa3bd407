"""What booking needs besides its aggregates."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)

from millrace_scheduling.claim.tables import claims
from millrace_scheduling.tables import metadata

idempotency = Table(
    "idempotency",
    metadata,
    Column("owner", Uuid, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("owner", "key"),
    Index("idempotency_created_at_idx", "created_at"),
)
"""See `millrace_platform.idempotency`."""

address_key = Table(
    "address_key",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("key", LargeBinary, nullable=False),
    CheckConstraint("id = 1", name="id"),
)
"""Hides the addresses of those who hold times; made once, at random."""

Index("claims_patient_id_idx", claims.c.patient_id)
Index("claims_address_idx", claims.c.address, postgresql_where=text("address IS NOT NULL"))
Index("claims_expires_at_idx", claims.c.expires_at, postgresql_where=text("live AND kind = 'hold'"))
Index("claims_created_at_idx", claims.c.created_at, postgresql_where=text("NOT live"))
