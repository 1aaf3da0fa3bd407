"""Verification of the whole audit trail."""

from collections.abc import Iterable

from sqlalchemy import select

from millrace_patients.audit.model import START, Head, find_faults
from millrace_patients.audit.repository import list_heads, list_links_after
from millrace_patients.schema import audit_entry
from millrace_platform.database import Database

BATCH = 1000
"""Number of entries read in one query."""


async def verify_trail(database: Database, key: bytes, anchors: Iterable[Head] = ()) -> tuple[list[Head], list[str]]:
    """Return the current heads of all chains and the faults found; ignore entries that are appended meanwhile.

    `anchors` are heads of an earlier verification, which the trail must still contain.
    """
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
        is_last = len(links) < BATCH
        # Verify each batch as a chain that starts at the end of the previous one.
        end = head if is_last else Head(head.chain, links[-1].seq, links[-1].digest)
        found = list(find_faults(key, links, end, start=position))
        if found or is_last:
            return found
        position = end


async def _faults_of_anchor(database: Database, anchor: Head) -> list[str]:
    query = select(audit_entry.c.digest).where(audit_entry.c.chain == anchor.chain, audit_entry.c.seq == anchor.seq)
    async with database.read() as session:
        digest = await session.scalar(query)
    if anchor.seq == 0 or digest == anchor.digest:
        return []
    return [f"chain {anchor.chain}: entry {anchor.seq} differs from the anchor"]
