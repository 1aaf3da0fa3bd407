"""The table of replies. One that was taken back stays without text, so that its version never falls."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, ForeignKey, Table, Text, Uuid

from millrace_reviews.tables import metadata

reply = Table(
    "reply",
    metadata,
    Column("review_id", Uuid, ForeignKey("review.id"), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("text", Text),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("version > 0", name="version"),
)
