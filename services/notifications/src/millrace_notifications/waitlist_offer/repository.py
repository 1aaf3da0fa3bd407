"""Versions of waitlist offers in the database."""

from sqlalchemy.dialects.postgresql import insert

from millrace_notifications.waitlist_offer.tables import waitlist_offer
from millrace_platform.database import Session


async def update_version(session: Session, identifier: str, version: int) -> bool:
    """Store the offer's version; return False if this or a newer version is already stored."""
    statement = insert(waitlist_offer).values(id=identifier, version=version)
    statement = statement.on_conflict_do_update(
        index_elements=["id"],
        set_={"version": statement.excluded.version},
        where=waitlist_offer.c.version < statement.excluded.version,
    )
    return (await session.execute(statement.returning(waitlist_offer.c.id))).first() is not None
