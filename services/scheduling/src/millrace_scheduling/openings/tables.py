"""What was told last of each place and week, and which times have to be looked at again."""

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
    Column("place_id", Uuid, ForeignKey("places.id"), primary_key=True),
    Column("week", Date, primary_key=True, index=True),
    Column("version", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("data", LargeBinary),
)
"""`week` is its Monday, `data` the entity as it was told, null for none; `seq` rises with every change of any row, in
the order of the commits."""

dirty_openings = Table(
    "dirty_openings",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("npi", Text, nullable=False),
    Column("first", DateTime(timezone=True), nullable=False),
    Column("last", DateTime(timezone=True), nullable=False),
    Column("frees", Boolean, nullable=False, server_default=text("true")),
)
"""A log: times of a provider that were touched, and whether any of them may have come free. Writers never wait for each
other on it, nor for its reader."""
