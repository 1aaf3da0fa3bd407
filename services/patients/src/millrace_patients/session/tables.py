"""Sessions and their refresh tokens."""

from sqlalchemy import Column, DateTime, ForeignKey, Index, LargeBinary, Table, Uuid

from millrace_patients.tables import metadata

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
