"""The table of insurance plans."""

from sqlalchemy import Column, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from millrace_directory.tables import Key, metadata, versioned

insurance_plan = Table(
    "insurance_plan",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", Text, nullable=False),
    Column("issuer", Text),
    Column("years", ARRAY(SmallInteger), nullable=False, server_default="{}"),
    Column("network_tiers", ARRAY(Text), nullable=False, server_default="{}"),
    *versioned(),
)
