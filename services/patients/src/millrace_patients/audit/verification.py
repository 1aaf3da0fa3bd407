"""Verification of the whole audit trail."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select

from millrace_patients.audit.model import START, Head, Link, find_faults
from millrace_patients.audit.repository import list_heads, list_links_after
from millrace_patients.schema import audit_entry
from millrace_platform.database import Database, ReadSession

BATCH = 1000


async def verify_trail(database: Database, key: bytes, anchors: Iterable[Head] = ()) -> tuple[list[Head], list[str]]:
    """Return the current heads of all chains and the faults found; ignore entries that are appended meanwhile."""
    found: list[str] = []

    async with database.read() as session:
        current = await list_heads(session)
    for head in current:
        found += await _faults_of_chain(database, key, head)
    for anchor in anchors:
        found += await _faults_of_anchor(database, anchor)
    return current, found


async def _faults_of_chain(database: Database, key: bytes, head: Head) -> list[str]:
    position = Head(head.chain, 0, START)
    while True:
        async with database.read() as session:
            links = await list_links_after(session, head.chain, position.seq, BATCH)
        links = [link for link in links if link.seq <= head.seq]
        ends = len(links) < BATCH
        # Verify each batch as a chain that starts at the end of the previous one.
        end = head if ends else _head_of(links[-1])
        found = list(find_faults(key, links, end, start=position))
        if found or ends:
            return found
        position = end


def _head_of(link: Link) -> Head:
    return Head(link.chain, link.seq, link.digest)


async def _faults_of_anchor(database: Database, anchor: Head) -> Sequence[str]:
    if anchor.seq == 0:
        return []
    async with database.read() as session:
        digest = await _digest(session, anchor)
    if digest == anchor.digest:
        return []
    return [f"chain {anchor.chain}: entry {anchor.seq} differs from the anchor"]


async def _digest(session: ReadSession, anchor: Head) -> bytes | None:
    query = select(audit_entry.c.digest).where(audit_entry.c.chain == anchor.chain, audit_entry.c.seq == anchor.seq)
    digest: bytes | None = await session.scalar(query)
    return digest
