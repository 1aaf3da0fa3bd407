"""Audit entries and their hash chains, without I/O.

The digest of an entry is an HMAC-SHA256 over the previous digest and the entry. With write access to the database but
without the key, entries cannot be changed, inserted, removed or reordered undetected. A cut-off end differs from the
chain's head; if the head is reset as well, it differs from an anchor, a head stored elsewhere. All entries of a person
are in one chain; several chains reduce contention for the row of a head.
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
"""Digest that precedes the first entry of a chain."""

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class TrailUnavailableError(Exception):
    """A trail can't be opened. The message says what to do."""


class Action(StrEnum):
    """Kind of access."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    EXPORT = "export"
    ERASE = "erase"
    SIGN_IN = "sign-in"
    REFUSE = "refuse"
    """A sign-in that was refused."""


class Purpose(StrEnum):
    """Purpose of an access, in codes of HL7's PurposeOfUse value set."""

    PATIENT_REQUEST = "PATRQT"
    TREATMENT = "TREAT"
    PAYMENT = "HPAYMT"
    OPERATIONS = "HOPERAT"
    ADMINISTRATION = "HSYSADMIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One access to personal data. Contains ids and fixed words, because entries are never deleted.

    `target` names the data. `actor_id` is the caller's account; by default, the service itself acts. `roles` are the
    caller's at the time, comma-separated. `source` is the client's IPv4 address or IPv6 network, of sign-ins only.
    """

    person_id: UUID
    action: Action
    target: str
    purpose: Purpose
    actor_id: UUID | None = None
    roles: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """Audit entry at its position in a chain; `seq` counts from 1 in each chain."""

    chain: int
    seq: int
    recorded_at: datetime
    request_id: str | None
    entry: AuditEntry
    digest: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """Position and digest of the last entry of a chain; `seq` is 0 if the chain is empty."""

    chain: int
    seq: int
    digest: bytes


def select_chain(person_id: UUID) -> int:
    """Return the number of the chain that contains all entries about a person."""
    return person_id.bytes[-1] % CHAINS


def compute_digest(
    key: bytes, previous: bytes, *, seq: int, recorded_at: datetime, request_id: str | None, entry: AuditEntry
) -> bytes:
    """Return the digest of an entry whose predecessor in the chain has the digest `previous`."""
    fields = (
        seq,
        (recorded_at - _EPOCH) // timedelta(microseconds=1),
        None if entry.actor_id is None else entry.actor_id.bytes,
        entry.roles,
        entry.person_id.bytes,
        entry.action.value,
        entry.target,
        entry.purpose.value,
        request_id,
        entry.source,
    )
    return hmac.new(key, previous + msgspec.msgpack.encode(fields), hashlib.sha256).digest()


def find_faults(key: bytes, links: Iterable[Link], head: Head, start: Head | None = None) -> Iterator[str]:
    """Yield a description of each fault in a chain.

    `links` are its entries in order, after `start` (None: from the beginning) up to `head`. Stops at the first fault,
    since later digests depend on it.
    """
    previous, seq = (START, 0) if start is None else (start.digest, start.seq)
    for link in links:
        if link.seq != seq + 1:
            yield f"chain {head.chain}: entry {seq + 1} is missing"
            return
        expected = compute_digest(
            key, previous, seq=link.seq, recorded_at=link.recorded_at, request_id=link.request_id, entry=link.entry
        )
        if not hmac.compare_digest(expected, link.digest):
            yield f"chain {head.chain}: entry {link.seq} was changed"
            return
        previous, seq = link.digest, link.seq
    if (seq, previous) != (head.seq, head.digest):
        yield f"chain {head.chain}: ends at entry {seq}, but its head is at {head.seq}"
