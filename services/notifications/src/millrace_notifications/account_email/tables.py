"""Table of account emails: ids and delivery state only. `patients` stores recipients and contents."""

from sqlalchemy import Column, DateTime, Index, Integer, Table, Text, Uuid

from millrace_notifications.tables import metadata

account_email = Table(
    "account_mail",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("lease", Uuid),
    Column("lease_until", DateTime(timezone=True)),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("outcome", Text),
    Column("first_seen_at", DateTime(timezone=True), nullable=False),
    Index("account_mail_first_seen_at_idx", "first_seen_at"),
)
