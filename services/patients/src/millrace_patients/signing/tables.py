"""Signing keys, the private part sealed."""

from sqlalchemy import Column, Float, LargeBinary, Table, Text

from millrace_patients.tables import metadata

signing_key = Table(
    "signing_key",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Float(53), nullable=False),
)
"""`created_at` is in Unix seconds."""
