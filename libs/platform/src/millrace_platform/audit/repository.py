"""Reads and writes entries of the audit trail."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain, groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, bindparam, insert, select, update

from millrace_platform.audit.model import Action, AuditEntry, Head, Link, Purpose, compute_digest, select_chain
from millrace_platform.audit.tables import audit_entry, audit_head
from millrace_platform.context import request_id
from millrace_platform.database import ReadSession, Session

_SET_HEAD: Final = (
    update(audit_head)
    .where(audit_head.c.chain == bindparam("of_chain"))
    .values(seq=bindparam("last_seq"), digest=bindparam("last_digest"))
)


class AuditTrail:
    """Appends entries. `key` is the HMAC key of the digests."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    async def append(self, session: Session, entries: Sequence[AuditEntry], now: datetime) -> None:
        """Append entries as the transaction's last step, because the chains' heads stay locked until the commit."""
        if not entries:
            return
        of_chains = {number: list(each) for number, each in groupby(sorted(entries, key=_chain), key=_chain)}
        # Locked in one order, so that concurrent transactions can't deadlock.
        query = select(audit_head).where(audit_head.c.chain.in_(of_chains)).order_by(audit_head.c.chain)
        heads = [Head(*row) for row in await session.execute(query.with_for_update())]
        links = [list(self._links(head, of_chains[head.chain], now)) for head in heads]
        await session.execute(insert(audit_entry), [_row(link) for link in chain.from_iterable(links)])
        await session.execute(_SET_HEAD, [_head_values(each[-1]) for each in links])

    def _links(self, head: Head, entries: Sequence[AuditEntry], now: datetime) -> Iterator[Link]:
        current, previous = request_id.get(), head.digest
        for seq, entry in enumerate(entries, head.seq + 1):
            previous = compute_digest(self._key, previous, seq=seq, recorded_at=now, request_id=current, entry=entry)
            yield Link(head.chain, seq, now, current, entry, previous)


def _chain(entry: AuditEntry) -> int:
    return select_chain(entry.person_id)


async def list_heads(session: ReadSession) -> list[Head]:
    """Return the heads of all chains, sorted by chain."""
    return [Head(*row) for row in await session.execute(select(audit_head).order_by(audit_head.c.chain))]


async def list_links_after(session: ReadSession, chain: int, seq: int, limit: int) -> list[Link]:
    """Return up to `limit` entries of a chain after position `seq`, in order."""
    query = select(audit_entry).where(audit_entry.c.chain == chain, audit_entry.c.seq > seq)
    return [_link(row) for row in await session.execute(query.order_by(audit_entry.c.seq).limit(limit))]


async def list_links_of_person(session: ReadSession, person_id: UUID, *, before: int | None, limit: int) -> list[Link]:
    """Return up to `limit` entries about a person before the position `before`, newest first."""
    query = select(audit_entry).where(audit_entry.c.person_id == person_id)
    if before is not None:
        query = query.where(audit_entry.c.seq < before)
    return [_link(row) for row in await session.execute(query.order_by(audit_entry.c.seq.desc()).limit(limit))]


def _head_values(last: Link) -> dict[str, Any]:
    return {"of_chain": last.chain, "last_seq": last.seq, "last_digest": last.digest}


def _row(link: Link) -> dict[str, Any]:
    row = {name: getattr(link, name) for name in Link.__slots__ if name != "entry"}
    return row | {name: getattr(link.entry, name) for name in AuditEntry.__slots__}


def _link(row: Row[*tuple[Any, ...]]) -> Link:
    columns = {name: getattr(row, name) for name in AuditEntry.__slots__}
    entry = AuditEntry(**{**columns, "action": Action(row.action), "purpose": Purpose(row.purpose)})
    return Link(row.chain, row.seq, row.recorded_at, row.request_id, entry, row.digest)
