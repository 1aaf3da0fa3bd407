"""Table of waitlist offers: the newest consumed version of each."""

from sqlalchemy import BigInteger, Column, Table, Text

from millrace_notifications.tables import metadata

waitlist_offer = Table(
    "waitlist_offer",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
)
