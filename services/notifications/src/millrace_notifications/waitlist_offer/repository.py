"""Waitlist offers in the database: only the newest consumed version of each."""

from sqlalchemy import BigInteger, Column, Table, Text
from sqlalchemy.dialects.postgresql import insert

from millrace_notifications.tables import metadata
from millrace_platform.database import Session

table = Table(
    "waitlist_offer",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
)


async def update_version(session: Session, identifier: str, version: int) -> bool:
    """Store the offer's version; return False if this or a newer version is already stored."""
    statement = insert(table).values(id=identifier, version=version)
    statement = statement.on_conflict_do_update(
        index_elements=["id"],
        set_={"version": statement.excluded.version},
        where=table.c.version < statement.excluded.version,
    )
    return (await session.execute(statement.returning(table.c.id))).first() is not None
