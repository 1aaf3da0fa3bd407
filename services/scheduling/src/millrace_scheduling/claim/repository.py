"""Taking and giving up time.

The guard against double booking is here and in the constraints of `claims`: time is taken by an insert that does
nothing where any live claim of the provider overlaps. Nothing is looked up beforehand, so nothing is
outdated.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

import asyncpg

from millrace_platform.database import Session
from millrace_platform.statements import Statements, fetch, first
from millrace_scheduling.claim.model import NOBODY, Owner, Span, Visit


def taking(source: str = "") -> str:
    """CTEs that take time, where the FROM clause `source` has a row: `taken` has one where it could be had.

    Their arguments are a `row_of`.
    """
    # A plain insert would wait on the exclusion, and of hundreds who want one slot many would wait in a circle.
    return f"""
taken AS (
    INSERT INTO claims (id, place_id, npi, patient_id, dependant_id, start, minutes, occupied, kind, live, expires_at,
        visit_type, visit_reason, mode, patient_kind, address, offer_id, extended, created_at)
    SELECT $1::uuid, $2::uuid, $3::text, $4::uuid, $5::uuid, $6::timestamptz, $7::integer,
        tstzrange($8::timestamptz, $9::timestamptz), $10::text, true, $11::timestamptz, $12::text, $13::text, $14::text,
        $15::text, $16::bytea, $17::uuid, $17::uuid IS NOT NULL, $18::timestamptz {source}
    ON CONFLICT DO NOTHING
    RETURNING npi, occupied
), marked AS (
    INSERT INTO dirty_openings (npi, first, last, frees) SELECT npi, lower(occupied), upper(occupied), false FROM taken
)"""  # noqa: S608 # constants


TAKE: Final = f"WITH {taking()} SELECT 1 FROM taken"  # noqa: S608 # constants
_RELEASE = """
WITH freed AS (
    UPDATE claims SET live = false, address = NULL WHERE id = $1 AND live RETURNING npi, occupied
), told AS (
    INSERT INTO dirty_openings (npi, first, last) SELECT npi, lower(occupied), upper(occupied) FROM freed
)
SELECT 1 FROM freed
"""
_KEEP = "UPDATE claims SET kind = 'appointment', expires_at = NULL, address = NULL WHERE id = $1"
_LAPSE: Final = """
), lapsed AS (
    UPDATE claims SET live = false, address = NULL WHERE id IN (SELECT id FROM locked) RETURNING npi, occupied
), told AS (
    INSERT INTO dirty_openings (npi, first, last) SELECT npi, lower(occupied), upper(occupied) FROM lapsed
)
"""
LAPSED_AT_ONCE: Final = 500
_LAPSE_ALL = f"""
WITH locked AS MATERIALIZED (
    SELECT id FROM claims WHERE live AND kind = 'hold' AND expires_at <= $1
    ORDER BY expires_at LIMIT {LAPSED_AT_ONCE} FOR UPDATE SKIP LOCKED
{_LAPSE} SELECT count(*) AS number FROM lapsed
"""  # noqa: S608 # constants
# Whoever else is about to lapse one is waited for: it is no obstacle either, as soon as they are done.
_LAPSE_HERE = f"""
WITH here AS MATERIALIZED (
    SELECT id FROM claims
    WHERE live AND kind = 'hold' AND expires_at <= $1 AND npi = $2 AND occupied && tstzrange($3, $4)
), locked AS MATERIALIZED (
    SELECT id FROM claims WHERE id IN (SELECT id FROM here) AND live ORDER BY id FOR UPDATE
{_LAPSE} SELECT count(*) AS number FROM here
"""  # noqa: S608 # constants
# Visits and their buffers last at most a day and a half: the index on (npi, start) narrows it down.
_OTHERS = """
SELECT 1 FROM claims WHERE npi = $1 AND live AND start > $2::timestamptz - interval '2 days' AND start < $3
    AND occupied && tstzrange($2, $3) AND id <> $4 LIMIT 1
"""
_FORGET_PATIENT = """
WITH freed AS (
    UPDATE claims SET live = false, address = NULL
    WHERE patient_id = $1 AND live AND (kind = 'hold' OR id = ANY ($2)) RETURNING npi, occupied
), told AS (
    INSERT INTO dirty_openings (npi, first, last) SELECT npi, lower(occupied), upper(occupied) FROM freed
)
SELECT 1 FROM freed
"""
_FORGET_WHOSE = "UPDATE claims SET patient_id = $2, dependant_id = NULL WHERE patient_id = $1"
_FORGET_OLD = """
DELETE FROM claims WHERE id = ANY (ARRAY(SELECT id FROM claims WHERE NOT live AND created_at < $1 LIMIT $2))
"""
KEPT: Final = timedelta(days=1)
"""How long what was given up can still be asked about."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Time to be taken. `expires_at` makes it a hold; one that is offered (`offer_id`) is extended no more."""

    id: UUID
    owner: Owner
    visit: Visit
    occupied: Span
    expires_at: datetime | None = None
    offer_id: UUID | None = None


Take: TypeAlias = Callable[[Session, Claim, datetime], Awaitable[bool]]
"""See `take`."""


async def take(session: Session, claim: Claim, now: datetime) -> bool:
    """Take the time; False where any of it is taken. Holds that have lapsed are no obstacle."""
    row = row_of(claim, now)
    if await first(session, TAKE, *row) is not None:
        return True
    return await lapse_here(session, claim, now) and await first(session, TAKE, *row) is not None


async def lapse_here(session: Statements, claim: Claim, now: datetime) -> bool:
    """Give holds up whose time is over and which are in the way of the claim; whether there were any."""
    span = claim.occupied
    lapsed = await first(session, _LAPSE_HERE, now, claim.visit.npi, span.begin, span.end)
    return bool(lapsed["number"])


def row_of(claim: Claim, now: datetime) -> tuple[object, ...]:
    """The arguments of `taking`, 18 of them."""
    owner, visit = claim.owner, claim.visit
    return (
        claim.id,
        visit.place_id,
        visit.npi,
        owner.patient_id,
        owner.dependant_id,
        visit.start,
        visit.minutes,
        claim.occupied.begin,
        claim.occupied.end,
        "appointment" if claim.expires_at is None else "hold",
        claim.expires_at,
        visit.visit_type,
        visit.visit_reason,
        visit.mode,
        visit.patient_kind,
        owner.address,
        claim.offer_id,
        now,
    )


async def release(session: Session, claim_id: UUID) -> bool:
    """Give the time up; False where it was given up before."""
    return await first(session, _RELEASE, claim_id) is not None


async def keep(session: Session, hold_id: UUID) -> None:
    """Make a running hold, which is locked, an appointment's."""
    await first(session, _KEEP, hold_id)


async def is_taken_by_others(session: Session, npi: str, span: Span, own: UUID) -> bool:
    """Whether a live claim other than `own` overlaps."""
    return await first(session, _OTHERS, npi, span.begin, span.end, own) is not None


async def lapse(session: Session, now: datetime) -> int:
    """Give up to `LAPSED_AT_ONCE` holds up whose time is over; how many."""
    number: int = (await first(session, _LAPSE_ALL, now))["number"]
    return number


async def forget_old(session: Session, now: datetime) -> None:
    """Remove rows of what was given up long ago."""
    await fetch(session, _FORGET_OLD, now - KEPT, 10 * LAPSED_AT_ONCE)


async def forget_patient(session: Session, patient_id: UUID, ended: Sequence[UUID]) -> None:
    """Give up all holds of a patient and the claims `ended`; nothing tells any more whose the others are."""
    await fetch(session, _FORGET_PATIENT, patient_id, ended)
    await fetch(session, _FORGET_WHOSE, patient_id, NOBODY)


def visit_of(row: asyncpg.Record) -> Visit:
    """The visit of a row that has its columns: those of claims or appointments, beside the place's."""
    return Visit(
        place_id=row["place_id"],
        npi=row["npi"],
        practice_id=row["practice_id"],
        time_zone=row["time_zone"],
        start=row["start"],
        minutes=row["minutes"],
        visit_type=row["visit_type"],
        visit_reason=row["visit_reason"],
        mode=row["mode"],
        patient_kind=row["patient_kind"],
    )
