"""The table of published openings, and the table of dirty marks: times whose openings may have changed."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    LargeBinary,
    Sequence,
    Table,
    Text,
    Uuid,
    text,
)

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

dirty_openings = Table(
    "dirty_openings",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("npi", Text, nullable=False),
    Column("first", DateTime(timezone=True), nullable=False),
    Column("last", DateTime(timezone=True), nullable=False),
    Column("frees", Boolean, nullable=False, server_default=text("true")),
)
"""Times of a provider whose openings may have changed; `frees`: whether some of the time may have become free. Rows are
only inserted and deleted, so writers wait neither for each other nor for the publisher."""
