"""Writes made-up calendars in bulk, some hundred places a transaction; their openings are told afterwards."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy import func, select

from millrace_platform.database import Session
from millrace_platform.database_errors import problems_of_driver
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_scheduling.calendar.repository import SLOT_COLUMNS, reach
from millrace_scheduling.calendar.tables import calendars
from millrace_scheduling.demo.model import PATTERNS, Booking, bookings, calendar_of, segments_on
from millrace_scheduling.openings.repository import mark_places
from millrace_scheduling.place.tables import places
from millrace_scheduling.slot.tables import slots
from millrace_scheduling.slot.zones import moment_of

PLACES_AT_ONCE = 250
POLL = 0.25
STILL = 8
"""Looks without another place, after which all are taken to be there."""

CALENDAR_COLUMNS = ("place_id", "version", "document", "materialized_to")
CLAIM_COLUMNS = (
    "id", "place_id", "npi", "patient_id", "start", "minutes", "occupied", "kind", "live", "visit_type", "mode",
    "patient_kind", "created_at",
)  # fmt: skip
APPOINTMENT_COLUMNS = (
    "id", "version", "state", "claim_id", "patient_id", "place_id", "npi", "time_zone", "start", "minutes",
    "visit_type", "mode", "patient_kind", "sequence", "created_at", "updated_at",
)  # fmt: skip


@dataclass(slots=True)
class Rows:
    """What is copied, table by table."""

    calendars: list[tuple[Any, ...]] = field(default_factory=list)
    slots: list[tuple[Any, ...]] = field(default_factory=list)
    claims: list[tuple[Any, ...]] = field(default_factory=list)
    appointments: list[tuple[Any, ...]] = field(default_factory=list)


async def load(units: UnitsOfWork, *, wanted: int, seed: int, patience: float, report: Callable[[int], None]) -> int:
    """Give up to `wanted` places a calendar, unless they have one; how many got one.

    Waits up to `patience` seconds for the places to come from the feed, as long as there come more.
    """
    await _arrived(units, wanted, patience)
    made, seen = 0, Counter[str]()
    async with units.database.read() as session:
        query = select(places.c.id, places.c.npi, places.c.time_zone).where(~places.c.deleted).order_by(places.c.id)
        chosen = (await session.execute(query.limit(wanted))).all()
        known = set((await session.execute(select(calendars.c.place_id))).scalars())
    missing = [each for each in chosen if each.id not in known]
    for at in range(0, len(missing), PLACES_AT_ONCE):
        part = missing[at : at + PLACES_AT_ONCE]
        async with units.begin() as work:
            await _write(work, _rows(work, part, seed, seen), [each.id for each in part])
        made += len(part)
        report(made)
    return made


async def _arrived(units: UnitsOfWork, wanted: int, patience: float) -> None:
    loop = asyncio.get_running_loop()
    deadline, last, still = loop.time() + patience, -1, 0
    while loop.time() < deadline and still < STILL:
        async with units.database.read() as session:
            count = await session.scalar(select(func.count()).select_from(places)) or 0
        if count >= wanted:
            return
        still = still + 1 if count == last and count > 0 else 0
        last = count
        await asyncio.sleep(POLL)


def _rows(work: UnitOfWork, part: Sequence[Any], seed: int, seen: Counter[str]) -> Rows:
    rows, today = Rows(), work.now.date()
    for place_id, npi, zone in part:
        random = Random(f"{seed}/{npi}/{seen[npi]}")  # noqa: S311 # no secret
        pattern = random.randrange(PATTERNS)
        calendar = calendar_of(pattern, zone, seed)
        until = reach(calendar, today)
        days = [(day, segments_on(pattern, zone, seed, day)) for day in _days(today - timedelta(1), until)]
        rows.calendars.append((place_id, 1, msgspec.json.encode(calendar).decode(), until))
        rows.slots += [(place_id, day, [n for each in found for n in each]) for day, found in days if found]
        # Of a provider at two places only one is booked: nobody is in two places at once.
        if not seen[npi]:
            for booking in bookings(calendar, days, today, random):
                _book(rows, work, (place_id, npi, zone), booking)
        seen[npi] += 1
    return rows


def _days(first: date, before: date) -> Iterator[date]:
    return (first + timedelta(ahead) for ahead in range((before - first).days))


def _book(rows: Rows, work: UnitOfWork, place: tuple[UUID, str, str], booking: Booking) -> None:
    (place_id, npi, zone), kind = place, booking.visit_type
    start, now = moment_of(booking.start), work.now
    occupied = asyncpg.Range(start, start + timedelta(minutes=kind.minutes))
    visit = (start, kind.minutes)
    how = (kind.id, "in_person", "existing")
    rows.claims.append(
        (booking.id, place_id, npi, booking.patient_id, *visit, occupied, "appointment", True, *how, now)
    )
    rows.appointments.append(
        (booking.id, 1, "booked", booking.id, booking.patient_id, place_id, npi, zone, *visit, *how, 0, now, now)
    )


async def _write(work: UnitOfWork, rows: Rows, place_ids: Sequence[UUID]) -> None:
    await _copy(work.session, calendars.name, CALENDAR_COLUMNS, rows.calendars)
    await _copy(work.session, slots.name, SLOT_COLUMNS, rows.slots)
    await _copy(work.session, "claims", CLAIM_COLUMNS, rows.claims)
    await _copy(work.session, "appointments", APPOINTMENT_COLUMNS, rows.appointments)
    await mark_places(work.session, place_ids, work.now, work.now + timedelta(61))


async def _copy(session: Session, table: str, columns: Sequence[str], records: Sequence[tuple[Any, ...]]) -> None:
    with problems_of_driver(session.driver):
        await session.driver.copy_records_to_table(table, columns=columns, records=records)
