"""The table of offers: which version was seen last."""

from sqlalchemy import BigInteger, Column, Table, Text

from millrace_notifications.tables import metadata

waitlist_offer = Table(
    "waitlist_offer",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
)
