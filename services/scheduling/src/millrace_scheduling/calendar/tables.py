"""The table of calendars. One that was deleted keeps its row for its version, without a document."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, ForeignKey, Index, Table, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from millrace_scheduling.tables import metadata

calendars = Table(
    "calendars",
    metadata,
    Column("place_id", Uuid, ForeignKey("places.id"), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("document", JSONB(none_as_null=True)),
    Column("materialized_to", Date),
    CheckConstraint("version > 0", name="version"),
    Index("calendars_materialized_to_idx", "materialized_to", postgresql_where=text("document IS NOT NULL")),
)
"""Slots of the days before `materialized_to` are there."""
