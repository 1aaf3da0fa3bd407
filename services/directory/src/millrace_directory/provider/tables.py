"""The table of providers."""

from sqlalchemy import Column, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from millrace_directory.tables import Key, metadata, versioned

provider = Table(
    "provider",
    metadata,
    Column("npi", Key, primary_key=True),
    Column("last_name", Text, nullable=False),
    Column("first_name", Text, nullable=False),
    Column("middle_name", Text),
    Column("suffix", Text),
    Column("credential", Text),
    Column("sex", Text),
    Column("taxonomy", Text, nullable=False),
    Column("taxonomies", ARRAY(Text), nullable=False, server_default="{}"),
    Column("languages", ARRAY(Text), nullable=False, server_default="{}"),
    *versioned(),
)
