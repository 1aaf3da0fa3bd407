"""Rows of the waitlist."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID

from millrace_platform.database import Session
from millrace_platform.statements import fetch, first
from millrace_scheduling.place.model import Place
from millrace_scheduling.waitlist.model import Entry, EntryState, Offer, OfferState

ROUND_LOCK: Final = 0x6D696C6C_77616974
"""Advisory lock ("millwait"): of several processes one looks after the line, so that it stays one."""
_ENTRY: Final = """e.id, e.place_id, e.patient_id, e.dependant_id, e.visit_reason, e.mode, e.patient_kind, e.first_day,
    e.last_day, e.state, e.created_at"""
_OFFER: Final = "o.id AS offer_id, o.version, o.state AS offer_state, o.claim_id, o.start, o.minutes, o.expires_at"
_PLACE: Final = "p.npi, p.practice_id, p.time_zone, p.version AS place_version"
# ruff: noqa: S608 # constants
# Whoever joins or comes back has the whole line looked at: who joins just as time comes free isn't the first.
_ADD = """
WITH news AS (INSERT INTO dirty_lines (npi) SELECT npi FROM places WHERE id = $2)
INSERT INTO waitlist_entries (id, place_id, patient_id, dependant_id, visit_reason, mode, patient_kind, first_day,
    last_day, state, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 1))"
_COUNT = "SELECT count(*) FROM waitlist_entries WHERE patient_id = $1 AND state <> 'done'"
_OWN = f"""
SELECT {_ENTRY}, {_OFFER} FROM waitlist_entries e
LEFT JOIN waitlist_offers o ON o.entry_id = e.id AND o.state = 'offered'
WHERE e.patient_id = $1 AND e.state <> 'done' ORDER BY e.id LIMIT $2
"""
_FIND = f"SELECT {_ENTRY} FROM waitlist_entries e WHERE e.id = $1 AND e.patient_id = $2 FOR UPDATE"
_SET = "UPDATE waitlist_entries SET state = $2 WHERE id = $1"
_SET_WAITING = """
WITH entry AS (UPDATE waitlist_entries SET state = 'waiting', due = false WHERE id = $1 RETURNING place_id)
INSERT INTO dirty_lines (npi) SELECT npi FROM places JOIN entry ON places.id = place_id
"""
_LOOKED_AT = "UPDATE waitlist_entries SET due = false WHERE id = $1"
_WITH_OFFER = f"""
SELECT {_ENTRY}, {_OFFER}, {_PLACE} FROM waitlist_offers o JOIN waitlist_entries e ON e.id = o.entry_id
JOIN places p ON p.id = e.place_id WHERE o.state = 'offered' AND {{condition}} ORDER BY o.id LIMIT 100
FOR UPDATE OF o, e
"""
_STANDING = f"""
SELECT {_ENTRY}, {_OFFER}, {_PLACE} FROM waitlist_offers o JOIN waitlist_entries e ON e.id = o.entry_id
JOIN places p ON p.id = e.place_id WHERE o.state = 'offered' AND o.id > $1 ORDER BY o.id LIMIT $2
"""
_ADD_OFFER = """
INSERT INTO waitlist_offers (id, version, state, entry_id, claim_id, start, minutes, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_SET_OFFER = "UPDATE waitlist_offers SET version = $2, state = $3 WHERE id = $1"
_STARTS = "SELECT start FROM waitlist_offers WHERE entry_id = $1"
_TAKE = """
DELETE FROM dirty_lines WHERE seq = ANY (ARRAY(SELECT seq FROM dirty_lines ORDER BY seq LIMIT $1)) RETURNING npi
"""
_MARK = """
UPDATE waitlist_entries e SET due = true FROM places p
WHERE p.id = e.place_id AND p.npi = ANY ($1) AND e.state = 'waiting' AND NOT e.due
"""
_DUE = f"""
SELECT {_ENTRY}, {_PLACE} FROM waitlist_entries e JOIN places p ON p.id = e.place_id
WHERE e.state = 'waiting' AND e.due ORDER BY e.place_id, e.id LIMIT $1 FOR UPDATE OF e
"""
_LATE = "UPDATE waitlist_entries SET state = 'done' WHERE state = 'waiting' AND last_day < $1"
_FORGET = "DELETE FROM waitlist_entries WHERE patient_id = $1"


@dataclass(frozen=True, slots=True)
class Offered:
    """An offer with whose it is and where."""

    entry: Entry
    offer: Offer
    place: Place


async def round_is_ours(session: Session) -> bool:
    """Whether this transaction may look after the line; until its end nobody else may."""
    row = await first(session, "SELECT pg_try_advisory_xact_lock($1) AS ours", ROUND_LOCK)
    return bool(row["ours"])


async def count(session: Session, patient_id: UUID) -> int:
    """How many entries of a patient are in line. Others who count wait until this transaction ends."""
    await first(session, _LOCK, str(patient_id))
    row = await first(session, _COUNT, patient_id)
    number: int = row["count"]
    return number


async def add(session: Session, entry: Entry) -> None:
    await first(
        session,
        _ADD,
        entry.id,
        entry.place_id,
        entry.patient_id,
        entry.dependant_id,
        entry.visit_reason,
        entry.mode,
        entry.patient_kind,
        entry.first_day,
        entry.last_day,
        entry.state.value,
        entry.created_at,
    )


async def own(session: Session, patient_id: UUID, limit: int) -> list[tuple[Entry, Offer | None]]:
    """A patient's entries in line, with the offer where there is one."""
    rows = await fetch(session, _OWN, patient_id, limit)
    return [(_entry_of(row), None if row["offer_id"] is None else _offer_of(row)) for row in rows]


async def lock(session: Session, entry_id: UUID, patient_id: UUID) -> Entry | None:
    """The patient's entry; nobody else changes it before the transaction ends."""
    row = await first(session, _FIND, entry_id, patient_id)
    return None if row is None else _entry_of(row)


async def set_state(session: Session, entry_id: UUID, state: Literal[EntryState.OFFERED, EntryState.DONE]) -> None:
    """The entry isn't in line any more."""
    await first(session, _SET, entry_id, state.value)


async def set_waiting(session: Session, entry_id: UUID) -> None:
    """Back in line, at its old place."""
    await first(session, _SET_WAITING, entry_id)


async def looked_at(session: Session, entry_id: UUID) -> None:
    """Nothing was found for this entry; it waits for time to come free."""
    await first(session, _LOOKED_AT, entry_id)


async def offer_of(session: Session, offer_id: UUID) -> Offered | None:
    """An offer that stands, locked."""
    row = await first(session, _WITH_OFFER.format(condition="o.id = $1"), offer_id)
    return None if row is None else _offered_of(row)


async def offers_of_entry(session: Session, entry_id: UUID) -> list[Offered]:
    """Offers of an entry that stand, locked."""
    return [_offered_of(row) for row in await fetch(session, _WITH_OFFER.format(condition="o.entry_id = $1"), entry_id)]


async def offers_of_patient(session: Session, patient_id: UUID) -> list[Offered]:
    """Offers to a patient that stand, locked."""
    rows = await fetch(session, _WITH_OFFER.format(condition="e.patient_id = $1"), patient_id)
    return [_offered_of(row) for row in rows]


async def lapsing(session: Session, now: datetime) -> list[Offered]:
    """Offers that stand though their time is over, locked."""
    return [_offered_of(row) for row in await fetch(session, _WITH_OFFER.format(condition="o.expires_at <= $1"), now)]


async def offers_after(session: Session, offer_id: UUID, limit: int) -> list[Offered]:
    """Offers that stand, in the order of their ids."""
    return [_offered_of(row) for row in await fetch(session, _STANDING, offer_id, limit)]


async def add_offer(session: Session, entry_id: UUID, offer: Offer) -> None:
    await first(
        session,
        _ADD_OFFER,
        offer.id,
        offer.version,
        offer.state.value,
        entry_id,
        offer.claim_id,
        offer.start,
        offer.minutes,
        offer.expires_at,
    )


async def set_offer(session: Session, offer: Offer) -> None:
    await first(session, _SET_OFFER, offer.id, offer.version, offer.state.value)


async def offered_starts(session: Session, entry_id: UUID) -> frozenset[datetime]:
    """All that an entry was ever offered."""
    return frozenset(row["start"] for row in await fetch(session, _STARTS, entry_id))


async def mark(session: Session, limit: int) -> None:
    """Make the lines due whose marks are the oldest. It costs what was marked, however many wait."""
    npis = {row["npi"] for row in await fetch(session, _TAKE, limit)}
    if npis:
        await fetch(session, _MARK, list(npis))


async def due(session: Session, limit: int) -> list[tuple[Entry, Place]]:
    """Who is to be looked at: by place, in the order of the line."""
    return [(_entry_of(row), _place_of(row)) for row in await fetch(session, _DUE, limit)]


async def drop_late(session: Session, today: date) -> None:
    """Nobody waits for days that lie behind."""
    await fetch(session, _LATE, today)


async def forget(session: Session, patient_id: UUID) -> None:
    await fetch(session, _FORGET, patient_id)


def _entry_of(row: Any) -> Entry:
    return Entry(
        id=row["id"],
        place_id=row["place_id"],
        patient_id=row["patient_id"],
        dependant_id=row["dependant_id"],
        visit_reason=row["visit_reason"],
        mode=row["mode"],
        patient_kind=row["patient_kind"],
        first_day=row["first_day"],
        last_day=row["last_day"],
        state=EntryState(row["state"]),
        created_at=row["created_at"],
    )


def _offer_of(row: Any) -> Offer:
    return Offer(
        id=row["offer_id"],
        version=row["version"],
        state=OfferState(row["offer_state"]),
        claim_id=row["claim_id"],
        start=row["start"],
        minutes=row["minutes"],
        expires_at=row["expires_at"],
    )


def _place_of(row: Any) -> Place:
    return Place(row["place_id"], row["npi"], row["practice_id"], row["time_zone"], row["place_version"])


def _offered_of(row: Any) -> Offered:
    return Offered(_entry_of(row), _offer_of(row), _place_of(row))
