"""Copies of providers and places. Of what was deleted the last state stays: letters may still have to name it."""

from sqlalchemy import BigInteger, Column, Table, Text

from millrace_notifications.tables import metadata

provider = Table(
    "provider",
    metadata,
    Column("npi", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
)

place = Table(
    "place",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("practice_id", Text),
    Column("practice_name", Text),
    Column("address", Text, nullable=False),
    Column("phone", Text),
    Column("time_zone", Text),
)
