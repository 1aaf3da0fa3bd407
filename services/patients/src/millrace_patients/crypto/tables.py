"""The one key of the service itself."""

from sqlalchemy import CheckConstraint, Column, LargeBinary, SmallInteger, Table

from millrace_patients.tables import metadata

root_key = Table(
    "root_key",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    CheckConstraint("id = 1", name="id"),
)
