"""Table of webhook endpoints. It has the ids of keys and the generations of secrets, but no secrets."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
)

from millrace_notifications.tables import metadata

endpoint = Table(
    "endpoint",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("practice_id", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("url", Text, nullable=False),
    Column("description", Text),
    Column("events", ARRAY(Text), nullable=False),
    Column("disabled_reason", Text),
    Column("secret_key", Text, nullable=False),
    Column("secret_generation", Integer, nullable=False),
    Column("previous_key", Text),
    Column("previous_generation", Integer),
    Column("previous_until", DateTime(timezone=True)),
    Column("failing_since", DateTime(timezone=True)),
    Column("prompt_attempts", SmallInteger, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("disabled_reason IN ('by_practice', 'failing', 'gone')", name="disabled_reason"),
    Index("endpoint_practice_id_id_idx", "practice_id", "id"),
)
