"""The table of slots: a row for each place and local day that has any."""

from sqlalchemy import Column, Date, ForeignKey, Integer, Table, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from millrace_scheduling.tables import metadata

slots = Table(
    "slots",
    metadata,
    Column("place_id", Uuid, ForeignKey("calendars.place_id"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("segments", ARRAY(Integer), nullable=False),
)
"""`segments`: three numbers for each `scheduling.slot.model.Segment`, in the order of time."""
