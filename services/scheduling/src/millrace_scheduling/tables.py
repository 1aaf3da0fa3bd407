"""The metadata of all tables, and the tables that belong to no single package."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
)

from millrace_platform.audit.tables import add_audit_tables
from millrace_platform.revocation import define_revocation_table

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)
define_revocation_table(metadata)

add_audit_tables(metadata)

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
"""Idempotency records: the stored responses of idempotency keys."""

address_key = Table(
    "address_key",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("key", LargeBinary, nullable=False),
    CheckConstraint("id = 1", name="id"),
)
"""The random key with which `client_address` computes MACs of addresses; one row, inserted by the migration."""
