"""Reads and writes entries of the audit trail."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, insert, select, update

from millrace_patients.audit.model import Action, AuditEntry, Head, Link, Purpose, compute_digest, select_chain
from millrace_patients.schema import audit_entry, audit_head
from millrace_platform.context import request_id
from millrace_platform.database import ReadSession, Session


class AuditTrail:
    """Appends entries. `key` is the HMAC key of the digests."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    async def append(self, session: Session, entries: Sequence[AuditEntry], at: datetime) -> None:
        """Append entries as the transaction's last step, because the chain's head stays locked until the commit."""
        for chain, of_chain in groupby(sorted(entries, key=_chain), key=_chain):
            links = list(self._links(await _locked_head(session, chain), list(of_chain), at))
            await session.execute(insert(audit_entry), [_row(link) for link in links])
            last = links[-1]
            await session.execute(
                update(audit_head).where(audit_head.c.chain == chain).values(seq=last.seq, digest=last.digest)
            )

    def _links(self, head: Head, entries: Sequence[AuditEntry], at: datetime) -> Iterator[Link]:
        current, previous = request_id.get(), head.digest
        for seq, entry in enumerate(entries, head.seq + 1):
            previous = compute_digest(self._key, previous, seq=seq, at=at, request_id=current, entry=entry)
            yield Link(head.chain, seq, at, current, entry, previous)


def _chain(entry: AuditEntry) -> int:
    return select_chain(entry.person)


async def _locked_head(session: Session, chain: int) -> Head:
    row = (await session.execute(select(audit_head).where(audit_head.c.chain == chain).with_for_update())).one()
    return Head(row.chain, row.seq, row.digest)


async def list_heads(session: ReadSession) -> list[Head]:
    rows = await session.execute(select(audit_head).order_by(audit_head.c.chain))
    return [Head(row.chain, row.seq, row.digest) for row in rows]


async def list_links_after(session: ReadSession, chain: int, seq: int, limit: int) -> list[Link]:
    """Return up to `limit` entries of a chain after position `seq`, in order."""
    query = select(audit_entry).where(audit_entry.c.chain == chain, audit_entry.c.seq > seq)
    rows = await session.execute(query.order_by(audit_entry.c.seq).limit(limit))
    return [_link(row) for row in rows.mappings()]


async def list_links_of_person(session: ReadSession, person: UUID, *, before: int | None, limit: int) -> list[Link]:
    """Return up to `limit` entries about a person before the position `before`, newest first."""
    query = select(audit_entry).where(audit_entry.c.person == person)
    if before is not None:
        query = query.where(audit_entry.c.seq < before)
    rows = await session.execute(query.order_by(audit_entry.c.seq.desc()).limit(limit))
    return [_link(row) for row in rows.mappings()]


def _row(link: Link) -> dict[str, Any]:
    entry = link.entry
    return {
        "chain": link.chain,
        "seq": link.seq,
        "at": link.at,
        "request_id": link.request_id,
        "actor": entry.actor,
        "roles": entry.roles,
        "person": entry.person,
        "deed": entry.action.value,
        "what": entry.target,
        "purpose": entry.purpose.value,
        "digest": link.digest,
    }


def _link(row: RowMapping) -> Link:
    entry = AuditEntry(
        actor=row["actor"],
        roles=row["roles"],
        person=row["person"],
        action=Action(row["deed"]),
        target=row["what"],
        purpose=Purpose(row["purpose"]),
    )
    return Link(row["chain"], row["seq"], row["at"], row["request_id"], entry, row["digest"])
