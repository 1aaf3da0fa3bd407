"""Writes provider-locations to the database."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import Session
from millrace_reviews.schema import provider_location


@dataclass(frozen=True, slots=True)
class ProviderLocationRow:
    """Practice of a provider-location, at a version. Deleted ones keep it, because it may still reply to reviews."""

    id: str
    version: int
    practice_id: str | None


async def save_newer(session: Session, locations: Sequence[ProviderLocationRow]) -> None:
    """Store the locations that are newer than the stored versions; `locations` must not repeat an id."""
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
