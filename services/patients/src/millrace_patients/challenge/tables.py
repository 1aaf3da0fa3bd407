"""Open challenges."""

from sqlalchemy import Column, DateTime, Index, LargeBinary, Table, Text, Uuid

from millrace_patients.tables import metadata

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
