"""The counts."""

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, Table

from millrace_patients.tables import metadata

throttle = Table(
    "throttle",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last", Float(53), nullable=False),
    Index("throttle_last_idx", "last"),
)
"""`key` is a MAC of what is counted: neither addresses nor e-mail lie here. `last` is in Unix seconds."""
