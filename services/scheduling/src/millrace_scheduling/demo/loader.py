"""Inserts demo calendars and bookings in bulk, some hundred provider-locations per transaction."""

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
from sqlalchemy import ARRAY, Select, Text, any_, func, literal, select

from millrace_platform.database import Session
from millrace_platform.database_errors import driver_errors_as_problems
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_scheduling.calendar.repository import SLOT_COLUMNS, slot_horizon
from millrace_scheduling.calendar.tables import calendars, slots
from millrace_scheduling.demo.patterns import PATTERNS, Booking, demo_calendar, demo_segments, random_bookings
from millrace_scheduling.dirty_marks import mark_provider_locations_dirty
from millrace_scheduling.provider_location.repository import provider_locations
from millrace_scheduling.zones import from_minute

BATCH_SIZE = 250
"""Maximum of provider-locations loaded in one transaction."""
POLL_INTERVAL = 0.25
UNCHANGED_POLLS = 8
"""Consecutive polls without a new provider-location after which the loader stops waiting for more."""

CALENDAR_COLUMNS = ("provider_location_id", "version", "document", "materialized_to")
RESERVATION_COLUMNS = (
    "id", "provider_location_id", "npi", "patient_id", "start", "minutes", "occupied", "kind", "visit_type", "mode",
    "patient_kind", "created_at",
)  # fmt: skip
APPOINTMENT_COLUMNS = (
    "id", "version", "state", "reservation_id", "patient_id", "provider_location_id", "npi", "start",
    "minutes", "visit_type", "mode", "patient_kind", "sequence", "created_at", "updated_at",
)  # fmt: skip


@dataclass(slots=True)
class Rows:
    """Rows to insert, by table."""

    calendars: list[tuple[Any, ...]] = field(default_factory=list)
    slots: list[tuple[Any, ...]] = field(default_factory=list)
    reservations: list[tuple[Any, ...]] = field(default_factory=list)
    appointments: list[tuple[Any, ...]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Selection:
    """The provider-locations that get a calendar: those of a random `share` of the providers with the given NPIs.

    If `npis` is None, those of all providers; if `limit` is given, at most so many.
    """

    share: float = 1.0
    npis: frozenset[str] | None = None
    limit: int | None = None

    @property
    def expected(self) -> int | None:
        """The least number of provider-locations that must be known before the selection; None if it is unknown."""
        return self.limit if self.npis is None else len(self.npis)

    def restrict(self, query: Select[Any]) -> Select[Any]:
        """Return the query of provider-locations without those of other providers."""
        if self.npis is None:
            return query
        return query.where(provider_locations.c.npi == any_(literal(sorted(self.npis), ARRAY(Text))))

    def includes(self, npi: str, seed: int) -> bool:
        return Random(f"{seed}/{npi}").random() < self.share  # noqa: S311 # no secret


async def load_demo(
    units: UnitsOfWork, selection: Selection, *, seed: int, wait: float, on_progress: Callable[[int], None]
) -> int:
    """Create calendars for the selected provider-locations that have none; return the number of created ones.

    Waits up to `wait` seconds for the provider-locations to arrive from the feed, while more keep arriving.
    """
    await _wait_for_provider_locations(units, selection, wait)
    created, seen = 0, Counter[str]()
    async with units.database.read() as session:
        query = (
            select(provider_locations.c.id, provider_locations.c.npi, provider_locations.c.time_zone)
            .where(~provider_locations.c.is_deleted)
            .order_by(provider_locations.c.id)
        )
        found = (await session.execute(selection.restrict(query).limit(selection.limit))).all()
        known = set((await session.execute(select(calendars.c.provider_location_id))).scalars())
    missing = [each for each in found if each.id not in known and selection.includes(each.npi, seed)]
    for at in range(0, len(missing), BATCH_SIZE):
        batch = missing[at : at + BATCH_SIZE]
        async with units.begin() as work:
            await _insert(work, _make_rows(work, batch, seed, seen), [each.id for each in batch])
        created += len(batch)
        on_progress(created)
    return created


async def _wait_for_provider_locations(units: UnitsOfWork, selection: Selection, wait: float) -> None:
    loop = asyncio.get_running_loop()
    deadline, last, unchanged = loop.time() + wait, -1, 0
    while loop.time() < deadline and unchanged < UNCHANGED_POLLS:
        async with units.database.read() as session:
            query = selection.restrict(select(func.count()).select_from(provider_locations))
            count = await session.scalar(query) or 0
        if selection.expected is not None and count >= selection.expected:
            return
        unchanged = unchanged + 1 if count == last and count > 0 else 0
        last = count
        await asyncio.sleep(POLL_INTERVAL)


def _make_rows(work: UnitOfWork, batch: Sequence[Any], seed: int, seen: Counter[str]) -> Rows:
    rows, today = Rows(), work.now.date()
    for provider_location_id, npi, zone in batch:
        random = Random(f"{seed}/{npi}/{seen[npi]}")  # noqa: S311 # no secret
        pattern = random.randrange(PATTERNS)
        calendar = demo_calendar(pattern, zone, seed)
        until = slot_horizon(calendar, today)
        days = [(day, demo_segments(pattern, zone, seed, day)) for day in _days(today - timedelta(1), until)]
        rows.calendars.append((provider_location_id, 1, msgspec.json.encode(calendar).decode(), until))
        rows.slots += [
            (provider_location_id, day, [n for each in segments for n in each]) for day, segments in days if segments
        ]
        # Only the first location of a provider has bookings: those of two locations could overlap.
        if not seen[npi]:
            for booking in random_bookings(calendar, days, today, random):
                _add_booking(rows, work, (provider_location_id, npi), booking)
        seen[npi] += 1
    return rows


def _days(first: date, before: date) -> Iterator[date]:
    return (first + timedelta(ahead) for ahead in range((before - first).days))


def _add_booking(rows: Rows, work: UnitOfWork, provider_location: tuple[UUID, str], booking: Booking) -> None:
    (provider_location_id, npi), visit_type = provider_location, booking.visit_type
    start, now = from_minute(booking.start), work.now
    occupied = asyncpg.Range(start, start + timedelta(minutes=visit_type.minutes))
    time = (start, visit_type.minutes)
    visit = (visit_type.id, "in_person", "existing")
    rows.reservations.append(
        (booking.id, provider_location_id, npi, booking.patient_id, *time, occupied, "appointment", *visit, now)
    )
    ids = (booking.id, booking.patient_id)
    rows.appointments.append((booking.id, 1, "booked", *ids, *provider_location, *time, *visit, 0, now, now))


async def _insert(work: UnitOfWork, rows: Rows, provider_location_ids: Sequence[UUID]) -> None:
    await _copy(work.session, calendars.name, CALENDAR_COLUMNS, rows.calendars)
    await _copy(work.session, slots.name, SLOT_COLUMNS, rows.slots)
    await _copy(work.session, "reservations", RESERVATION_COLUMNS, rows.reservations)
    await _copy(work.session, "appointments", APPOINTMENT_COLUMNS, rows.appointments)
    await mark_provider_locations_dirty(work.session, provider_location_ids, work.now, work.now + timedelta(61))


async def _copy(session: Session, table: str, columns: Sequence[str], records: Sequence[tuple[Any, ...]]) -> None:
    with driver_errors_as_problems(session.driver):
        await session.driver.copy_records_to_table(table, columns=columns, records=records)
