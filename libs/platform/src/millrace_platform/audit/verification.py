"""Verification of the whole audit trail."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from millrace_platform.audit.model import START, Head, Link, find_faults
from millrace_platform.audit.repository import list_heads, list_links_after
from millrace_platform.database import Database

BATCH = 1000
"""Number of entries read in one query."""

Digests = Mapping[int, set[bytes]]
"""The digests that anchors of one chain have for an entry, by its position."""


async def verify_trail(database: Database, key: bytes, anchors: Iterable[Head] = ()) -> tuple[list[Head], list[str]]:
    """Return the current heads of all chains and the faults found; ignore entries that are appended meanwhile.

    `anchors` are heads of earlier times, which the trail must still contain.
    """
    anchored: defaultdict[int, defaultdict[int, set[bytes]]] = defaultdict(lambda: defaultdict(set))
    for anchor in anchors:
        if anchor.seq > 0:
            anchored[anchor.chain][anchor.seq].add(anchor.digest)
    found: list[str] = []
    async with database.read() as session:
        current = await list_heads(session)
    for head in current:
        found += await _faults_of_chain(database, key, head, anchored[head.chain])
    return current, found


async def _faults_of_chain(database: Database, key: bytes, head: Head, anchored: Digests) -> list[str]:
    position, differing = Head(head.chain, 0, START), list[str]()
    while True:
        async with database.read() as session:
            links = await list_links_after(session, head.chain, position.seq, BATCH)
        links = [link for link in links if link.seq <= head.seq]
        is_last = len(links) < BATCH
        # Verify each batch as a chain that starts at the end of the previous one.
        end = head if is_last else Head(head.chain, links[-1].seq, links[-1].digest)
        differing += _differing_from_anchors(links, anchored)
        if (found := list(find_faults(key, links, end, start=position))) or is_last:
            return [*found, *differing, *_beyond_the_end(head, anchored)]
        position = end


def _differing_from_anchors(links: Iterable[Link], anchored: Digests) -> Iterator[str]:
    for link in links:
        if link.seq in anchored and anchored[link.seq] != {link.digest}:
            yield f"chain {link.chain}: entry {link.seq} differs from the anchor"


def _beyond_the_end(head: Head, anchored: Digests) -> Iterator[str]:
    last = max(anchored, default=0)
    if last > head.seq:
        yield f"chain {head.chain}: ends at entry {head.seq}, but an anchor is at {last}"


def count_anchored(anchors: Iterable[Head]) -> int:
    """Return the number of entries that can't be cut off unseen, because an anchor is at them or after them."""
    last: defaultdict[int, int] = defaultdict(int)
    for anchor in anchors:
        last[anchor.chain] = max(last[anchor.chain], anchor.seq)
    return sum(last.values())
