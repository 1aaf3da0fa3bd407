"""Reads and writes the copy of the directory."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from millrace_patients.directory.model import DirectoryEntry, EntryKind
from millrace_patients.schema import directory_entry
from millrace_platform.database import ReadSession, Session


async def exists(session: ReadSession, kind: EntryKind, identifier: str) -> bool:
    """Return whether the copy has the resource."""
    query = select(directory_entry.c.id).where(
        directory_entry.c.kind == kind.value, directory_entry.c.id == identifier, ~directory_entry.c.is_deleted
    )
    return await session.scalar(query) is not None


async def save_newer(session: Session, entries: Sequence[DirectoryEntry]) -> None:
    """Store the resources that are newer than their rows. Each may occur only once."""
    if not entries:
        return
    # Sorted, so that two consumers can't deadlock while a lease changes hands.
    rows = [
        {**asdict(each), "kind": each.kind.value} for each in sorted(entries, key=lambda each: (each.kind, each.id))
    ]
    statement = insert(directory_entry)
    upsert = statement.on_conflict_do_update(
        index_elements=[directory_entry.c.kind, directory_entry.c.id],
        set_={"version": statement.excluded.version, "is_deleted": statement.excluded.is_deleted},
        where=directory_entry.c.version < statement.excluded.version,
    )
    await session.execute(upsert, rows)
