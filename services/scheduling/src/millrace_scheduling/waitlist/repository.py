"""Database access for waitlist entries, their offers, and the marks of providers whose time may have become free."""

from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID

from millrace_platform.database import Session
from millrace_platform.statements import fetch, fetch_first
from millrace_scheduling.calendar.repository import JOIN_CALENDAR, TIME_ZONE
from millrace_scheduling.provider_location.model import ProviderLocation
from millrace_scheduling.provider_location.repository import provider_location_from_row
from millrace_scheduling.statement import NamedStatement
from millrace_scheduling.waitlist.model import Entry, EntryState, ListedEntry, Offer, OfferState

WAITLIST_LOCK: Final = 0x6D696C6C_77616974
"""Advisory lock ("millwait"): only one process at a time makes offers, so that earlier entries come first."""
_ENTRY: Final = ", ".join(f"e.{each.name}" for each in fields(Entry))
_OFFER: Final = (
    "o.id AS offer_id, o.version, o.state AS offer_state, o.reservation_id, o.start, o.minutes, o.expires_at"
)
_LOCATION: Final = f"p.npi, p.practice_id, {TIME_ZONE}, p.version AS provider_location_version"
# ruff: noqa: S608 # constants
# Time may be freed, and its marks consumed, after the free times were read and before the entry is committed: so a new
# entry leaves a mark, which has all entries of its provider checked, in order.
_ADD_ENTRY: Final = NamedStatement("""
WITH entry AS (
    INSERT INTO waitlist_entries (id, provider_location_id, patient_id, dependant_id, visit_reason, mode, patient_kind,
        first_day, last_day, state, created_at)
    VALUES (:id, :provider_location_id, :patient_id, :dependant_id, :visit_reason, :mode, :patient_kind, :first_day,
        :last_day, :state, :created_at)
    ON CONFLICT DO NOTHING
    RETURNING provider_location_id
), dirty_mark AS (
    INSERT INTO dirty_waitlists (npi) SELECT npi FROM provider_locations p JOIN entry ON p.id = provider_location_id
)
SELECT 1 FROM entry
""")
_LOCK_PATIENT: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 1))"
_COUNT: Final = "SELECT count(*) FROM waitlist_entries WHERE patient_id = $1 AND state <> 'done'"
_LIST: Final = f"""
SELECT {_ENTRY}, {_OFFER}, {TIME_ZONE} FROM waitlist_entries e
JOIN provider_locations p ON p.id = e.provider_location_id {JOIN_CALENDAR}
LEFT JOIN waitlist_offers o ON o.entry_id = e.id AND o.state = 'offered'
WHERE e.patient_id = $1 AND e.state <> 'done' ORDER BY e.id LIMIT $2
"""
_FIND_FOR_UPDATE: Final = f"SELECT {_ENTRY} FROM waitlist_entries e WHERE e.id = $1 AND e.patient_id = $2 FOR UPDATE"
_SET_STATE: Final = "UPDATE waitlist_entries SET state = $2 WHERE id = $1"
_REQUEUE: Final = """
WITH entry AS (
    UPDATE waitlist_entries SET state = 'waiting', is_due = false WHERE id = $1 RETURNING provider_location_id
)
INSERT INTO dirty_waitlists (npi) SELECT npi FROM provider_locations p JOIN entry ON p.id = provider_location_id
"""
_CLEAR_DUE: Final = "UPDATE waitlist_entries SET is_due = false WHERE id = $1"
_OPEN_OFFERS: Final = f"""
SELECT {_ENTRY}, {_OFFER}, {_LOCATION} FROM waitlist_offers o JOIN waitlist_entries e ON e.id = o.entry_id
JOIN provider_locations p ON p.id = e.provider_location_id {JOIN_CALENDAR} WHERE o.state = 'offered' AND {{condition}}
"""
_LOCKED: Final = "ORDER BY o.id LIMIT 100 FOR UPDATE OF o, e"
_ADD_OFFER: Final = NamedStatement("""
INSERT INTO waitlist_offers (id, version, state, entry_id, reservation_id, start, minutes, expires_at)
VALUES (:id, :version, :state, :entry_id, :reservation_id, :start, :minutes, :expires_at)
""")
_SAVE_OFFER: Final = "UPDATE waitlist_offers SET version = $2, state = $3 WHERE id = $1"
_OFFERED_STARTS: Final = "SELECT start FROM waitlist_offers WHERE entry_id = $1"
_TAKE_MARKS: Final = """
DELETE FROM dirty_waitlists WHERE seq = ANY (ARRAY(SELECT seq FROM dirty_waitlists ORDER BY seq LIMIT $1)) RETURNING npi
"""
_SET_DUE: Final = """
UPDATE waitlist_entries e SET is_due = true FROM provider_locations p
WHERE p.id = e.provider_location_id AND p.npi = ANY ($1) AND e.state = 'waiting' AND NOT e.is_due
"""
_LIST_DUE: Final = f"""
SELECT {_ENTRY}, {_LOCATION} FROM waitlist_entries e
JOIN provider_locations p ON p.id = e.provider_location_id {JOIN_CALENDAR}
WHERE e.state = 'waiting' AND e.is_due ORDER BY e.provider_location_id, e.id LIMIT $1 FOR UPDATE OF e
"""
_CLOSE_PAST: Final = "UPDATE waitlist_entries SET state = 'done' WHERE state = 'waiting' AND last_day < $1"
_DELETE_ENTRIES: Final = "DELETE FROM waitlist_entries WHERE patient_id = $1"


@dataclass(frozen=True, slots=True)
class OfferRow:
    """An open offer with its entry and its provider-location."""

    entry: Entry
    offer: Offer
    provider_location: ProviderLocation


async def try_lock_waitlist(session: Session) -> bool:
    """Try to lock the making of offers until the transaction ends; return False if another process has the lock."""
    row = await fetch_first(session, "SELECT pg_try_advisory_xact_lock($1) AS locked", WAITLIST_LOCK)
    return bool(row["locked"])


async def count_entries(session: Session, patient_id: UUID) -> int:
    """Return the number of a patient's active entries; concurrent counts for the patient wait for this transaction."""
    await fetch_first(session, _LOCK_PATIENT, str(patient_id))
    return int((await fetch_first(session, _COUNT, patient_id))["count"])


async def add_entry(session: Session, entry: Entry) -> bool:
    """Add the entry; return False if its person has another one for the provider-location on some of its days."""
    return await fetch_first(session, *_ADD_ENTRY.bind(**asdict(entry))) is not None


async def list_entries(session: Session, patient_id: UUID, limit: int) -> list[ListedEntry]:
    """Return a patient's active entries, each with its open offer or None."""
    rows = await fetch(session, _LIST, patient_id, limit)
    return [
        ListedEntry(_entry_from(row), None if row["offer_id"] is None else _offer_from(row), row["time_zone"])
        for row in rows
    ]


async def find_for_update(session: Session, entry_id: UUID, patient_id: UUID) -> Entry | None:
    """Lock and return the patient's entry; None if the patient has no such entry."""
    row = await fetch_first(session, _FIND_FOR_UPDATE, entry_id, patient_id)
    return None if row is None else _entry_from(row)


async def set_state(session: Session, entry_id: UUID, state: Literal[EntryState.OFFERED, EntryState.DONE]) -> None:
    """Store the entry's new state, `offered` or `done`, in which it receives no offers."""
    await fetch_first(session, _SET_STATE, entry_id, state.value)


async def requeue(session: Session, entry_id: UUID) -> None:
    """Return an entry to its old position on the waitlist."""
    await fetch_first(session, _REQUEUE, entry_id)


async def clear_due(session: Session, entry_id: UUID) -> None:
    """Record that the entry was checked: it isn't due again before its provider is marked again."""
    await fetch_first(session, _CLEAR_DUE, entry_id)


async def find_offer(session: Session, offer_id: UUID) -> OfferRow | None:
    """Lock and return the offer; None if it isn't open."""
    rows = await _lock_offers(session, "o.id = $1", offer_id)
    return rows[0] if rows else None


async def list_entry_offers(session: Session, entry_id: UUID) -> list[OfferRow]:
    """Lock and return the open offers of an entry."""
    return await _lock_offers(session, "o.entry_id = $1", entry_id)


async def list_patient_offers(session: Session, patient_id: UUID) -> list[OfferRow]:
    """Lock and return the open offers to a patient."""
    return await _lock_offers(session, "e.patient_id = $1", patient_id)


async def list_expired_offers(session: Session, now: datetime) -> list[OfferRow]:
    """Lock and return open offers that expired at or before `now`."""
    return await _lock_offers(session, "o.expires_at <= $1", now)


async def _lock_offers(session: Session, condition: str, argument: object) -> list[OfferRow]:
    rows = await fetch(session, _OPEN_OFFERS.format(condition=condition) + _LOCKED, argument)
    return [_offer_row_from(row) for row in rows]


async def list_offers_after(session: Session, offer_id: UUID, limit: int) -> list[OfferRow]:
    """Return open offers whose id is greater than the given one, ordered by id."""
    statement = _OPEN_OFFERS.format(condition="o.id > $1 ORDER BY o.id LIMIT $2")
    return [_offer_row_from(row) for row in await fetch(session, statement, offer_id, limit)]


async def add_offer(session: Session, entry_id: UUID, offer: Offer) -> None:
    await fetch_first(session, *_ADD_OFFER.bind(entry_id=entry_id, **asdict(offer)))


async def save_offer(session: Session, offer: Offer) -> None:
    """Write the version and the state of an offer that is locked."""
    await fetch_first(session, _SAVE_OFFER, offer.id, offer.version, offer.state.value)


async def list_offered_starts(session: Session, entry_id: UUID) -> frozenset[datetime]:
    """Return all starts that were ever offered to an entry."""
    return frozenset(row["start"] for row in await fetch(session, _OFFERED_STARTS, entry_id))


async def mark_due(session: Session, limit: int) -> None:
    """Delete up to `limit` marks, oldest first; make the waiting entries of the marked providers due for a check."""
    npis = {row["npi"] for row in await fetch(session, _TAKE_MARKS, limit)}
    if npis:
        await fetch(session, _SET_DUE, list(npis))


async def list_due(session: Session, limit: int) -> list[tuple[Entry, ProviderLocation]]:
    """Lock and return up to `limit` entries due for a check, ordered by provider-location and then oldest first."""
    return [(_entry_from(row), provider_location_from_row(row)) for row in await fetch(session, _LIST_DUE, limit)]


async def close_past_entries(session: Session, today: date) -> None:
    """Close entries whose days are all before `today`."""
    await fetch(session, _CLOSE_PAST, today)


async def delete_entries(session: Session, patient_id: UUID) -> None:
    """Delete a patient's entries with their offers."""
    await fetch(session, _DELETE_ENTRIES, patient_id)


def _entry_from(row: Any) -> Entry:
    values = {each.name: row[each.name] for each in fields(Entry)}
    return Entry(**{**values, "state": EntryState(row["state"])})


def _offer_from(row: Any) -> Offer:
    return Offer(
        id=row["offer_id"],
        version=row["version"],
        state=OfferState(row["offer_state"]),
        reservation_id=row["reservation_id"],
        start=row["start"],
        minutes=row["minutes"],
        expires_at=row["expires_at"],
    )


def _offer_row_from(row: Any) -> OfferRow:
    return OfferRow(_entry_from(row), _offer_from(row), provider_location_from_row(row))
