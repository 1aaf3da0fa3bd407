"""Places in the database."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import Session
from millrace_reviews.place.tables import place


@dataclass(frozen=True, slots=True)
class Place:
    """A provider-location at a version. One that was deleted keeps its practice: its reviews are answered there."""

    id: str
    version: int
    practice_id: str | None


async def put(session: Session, places: Sequence[Place]) -> None:
    """Take over what is newer than what is known. Each id once."""
    if not places:
        return
    statement = insert(place)
    newer = {"version": statement.excluded.version, "practice_id": statement.excluded.practice_id}
    taken = statement.on_conflict_do_update(
        index_elements=[place.c.id], set_=newer, where=place.c.version < statement.excluded.version
    )
    await session.execute(taken, [asdict(each) for each in sorted(places, key=lambda each: each.id)])
