"""Table of appointments: only the columns needed to detect changes."""

from sqlalchemy import BigInteger, Column, DateTime, Table, Text

from millrace_notifications.tables import metadata

appointment = Table(
    "appointment",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("start", DateTime(timezone=True), nullable=False),
    Column("provider_location_id", Text, nullable=False),
)
