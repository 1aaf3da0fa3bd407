"""The tables of calendars and of their slots."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, ForeignKey, Index, Integer, Table, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from millrace_scheduling.tables import metadata

calendars = Table(
    "calendars",
    metadata,
    Column("provider_location_id", Uuid, ForeignKey("provider_locations.id"), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("document", JSONB(none_as_null=True)),
    Column("materialized_to", Date),
    CheckConstraint("version > 0", name="version"),
    Index("calendars_materialized_to_idx", "materialized_to", postgresql_where=text("document IS NOT NULL")),
)
"""`document` is null for a deleted calendar, whose row remains to continue its versions. `slots` has rows for the days
before `materialized_to`."""

slots = Table(
    "slots",
    metadata,
    Column("provider_location_id", Uuid, ForeignKey("calendars.provider_location_id"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("segments", ARRAY(Integer), nullable=False),
)
"""A row for each local day that has slots. `segments`: three numbers for each `calendar.slots.Segment`, in order."""
