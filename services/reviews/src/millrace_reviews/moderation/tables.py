"""The tables of flags and decisions. Flags go when they were decided upon; decisions stay."""

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Table, Text, Uuid

from millrace_reviews.tables import metadata

flag = Table(
    "flag",
    metadata,
    Column("review_id", Uuid, ForeignKey("review.id"), primary_key=True),
    Column("reporter_id", Text, primary_key=True, index=True),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

decision = Table(
    "decision",
    metadata,
    Column("review_id", Uuid, ForeignKey("review.id"), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor_id", Uuid, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("reason", Text),
)
