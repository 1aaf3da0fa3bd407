"""Mail that waits for its sender."""

from sqlalchemy import Column, DateTime, Index, LargeBinary, Table, Text, Uuid

from millrace_patients.tables import metadata

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
