"""Entries and their chains: pure.

An entry's digest is an HMAC-SHA256 over the digest before it and the entry itself. Who can write to the database but
hasn't the key can't change, insert, remove or reorder entries unseen; cutting the end off is seen by the chain's head,
and, where the head is put back as well, by an anchor: a head that was noted elsewhere. Entries of one person are in one
chain; there are several, so that not all requests wait for one row.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec

CHAINS = 16
START = bytes(32)
"""The digest before the first entry of a chain."""

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class Deed(StrEnum):
    """What was done."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    EXPORT = "export"
    ERASE = "erase"


class Purpose(StrEnum):
    """Why, in the codes of HL7's PurposeOfUse value set."""

    PATIENT_REQUEST = "PATRQT"
    TREATMENT = "TREAT"
    PAYMENT = "HPAYMT"
    OPERATIONS = "HOPERAT"
    ADMINISTRATION = "HSYSADMIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One access. `what` and all else are ids and words of ours, never personal data: an entry stays for ever.

    `actor` is None for the service itself. `roles` are those that the actor had, comma-separated.
    """

    actor: UUID | None
    roles: str
    person: UUID
    deed: Deed
    what: str
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Link:
    """An entry in its place: `seq` counts from 1 in its chain."""

    chain: int
    seq: int
    at: datetime
    request_id: str | None
    entry: Entry
    digest: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a chain; `seq` 0 while it has none."""

    chain: int
    seq: int
    digest: bytes


def chain_of(person: UUID) -> int:
    return person.bytes[-1] % CHAINS


def digest_of(key: bytes, previous: bytes, *, seq: int, at: datetime, request_id: str | None, entry: Entry) -> bytes:
    """The digest of an entry that follows the one with the digest `previous`."""
    fields = (
        seq,
        (at - _EPOCH) // timedelta(microseconds=1),
        None if entry.actor is None else entry.actor.bytes,
        entry.roles,
        entry.person.bytes,
        entry.deed.value,
        entry.what,
        entry.purpose.value,
        request_id,
    )
    return hmac.new(key, previous + msgspec.msgpack.encode(fields), hashlib.sha256).digest()


def faults(key: bytes, links: Iterable[Link], head: Head, start: Head | None = None) -> Iterator[str]:
    """What is wrong with a chain, given its links in order from behind `start` (None: the beginning) to `head`.

    Ends with the first fault: nothing behind it can be judged.
    """
    previous, seq = (START, 0) if start is None else (start.digest, start.seq)
    for link in links:
        if link.seq != seq + 1:
            yield f"chain {head.chain}: entry {seq + 1} is missing"
            return
        expected = digest_of(key, previous, seq=link.seq, at=link.at, request_id=link.request_id, entry=link.entry)
        if not hmac.compare_digest(expected, link.digest):
            yield f"chain {head.chain}: entry {link.seq} isn't what was written"
            return
        previous, seq = link.digest, link.seq
    if (seq, previous) != (head.seq, head.digest):
        yield f"chain {head.chain}: it ends at entry {seq}, its head says {head.seq}"
