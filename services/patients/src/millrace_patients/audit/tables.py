"""The trail and the heads of its chains."""

from sqlalchemy import BigInteger, Column, DateTime, Index, LargeBinary, SmallInteger, Table, Text, Uuid

from millrace_patients.tables import metadata

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("chain", SmallInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("request_id", Text),
    Column("actor", Uuid),
    Column("roles", Text, nullable=False),
    Column("person", Uuid, nullable=False),
    Column("deed", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Index("audit_entry_person_seq_idx", "person", "seq"),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("chain", SmallInteger, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
)
