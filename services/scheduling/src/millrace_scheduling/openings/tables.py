"""The table of published openings."""

from sqlalchemy import BigInteger, Column, Date, ForeignKey, LargeBinary, Sequence, Table, Uuid

from millrace_scheduling.tables import metadata

openings_seq = Sequence("openings_seq", metadata=metadata)

openings = Table(
    "openings",
    metadata,
    Column("provider_location_id", Uuid, ForeignKey("provider_locations.id"), primary_key=True),
    Column("week", Date, primary_key=True, index=True),
    Column("version", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("data", LargeBinary),
)
"""The last published version of each week. `week` is a Monday, `data` the published entity, null if it was deleted.
`seq` increases with each change of any row, in commit order."""
