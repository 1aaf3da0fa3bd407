"""Writes of provider-locations."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import Session
from millrace_reviews.schema import provider_location


@dataclass(frozen=True, slots=True)
class ProviderLocationRow:
    """Provider-location at a version. Deleted ones retain their practice, which may still reply to reviews."""

    id: str
    version: int
    practice_id: str | None


async def save_newer(session: Session, locations: Sequence[ProviderLocationRow]) -> None:
    """Store the newer versions; ids must be unique."""
    if not locations:
        return
    statement = insert(provider_location)
    newer = {"version": statement.excluded.version, "practice_id": statement.excluded.practice_id}
    upsert = statement.on_conflict_do_update(
        index_elements=[provider_location.c.id],
        set_=newer,
        where=provider_location.c.version < statement.excluded.version,
    )
    await session.execute(upsert, [asdict(each) for each in sorted(locations, key=lambda each: each.id)])
