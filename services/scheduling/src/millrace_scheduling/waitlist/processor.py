"""Makes offers to patients on the waitlist, and closes expired offers.

Every statement that may free time inserts a mark for the provider (decision 0037). The processor checks all entries of
marked providers, so no other code has to notify it, and marks survive the death of a process.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from millrace_platform.errors import Problem
from millrace_platform.ids import Ids
from millrace_platform.periodic import run_periodically
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_scheduling.availability import repository as timetables
from millrace_scheduling.availability.model import StartBounds, Timetable, find_bookable_times
from millrace_scheduling.calendar.slots import OccupiedTime
from millrace_scheduling.calendar.windows import merge_windows, start_of_day
from millrace_scheduling.hold.visit_request import NotOfferedError, NoVisitTypeError, resolve_visit
from millrace_scheduling.provider_location.model import ProviderLocation
from millrace_scheduling.reservation import repository as reservations
from millrace_scheduling.reservation.model import Owner, Reservation, TimeRange
from millrace_scheduling.reservation.repository import Reserve
from millrace_scheduling.waitlist import repository
from millrace_scheduling.waitlist.model import (
    MAX_DAYS,
    OFFER_LIFETIME,
    Entry,
    EntryState,
    Offer,
    OfferState,
    select_candidates,
)
from millrace_scheduling.waitlist.service import close_offer
from millrace_scheduling.waitlist.wire import offer_event
from millrace_scheduling.zones import from_minute, to_minute

ENTRIES_PER_RUN = 100
MARKS_PER_RUN = 1_000
ATTEMPTS_PER_ENTRY = 3
"""Maximum of starts that are tried for one entry, because other clients may reserve some first."""

_DAY = timedelta(1)


@dataclass(frozen=True, slots=True)
class WaitlistProcessor:
    """Periodic task that can run in several processes, of which one at a time works.

    `pause`: seconds between two runs.
    """

    units: UnitsOfWork
    ids: Ids
    reserve: Reserve
    pause: float

    async def run(self) -> None:
        """Process the waitlist until cancelled; log runs that raise `Problem` or `OSError`."""
        await run_periodically(self.process_once, name="waitlist", pause=self.pause, retry_on=(Problem, OSError))

    async def process_once(self) -> None:
        """Close expired offers, then check entries that are due because their provider's time may have become free.

        Both use the same moment: a hold that expired between two moments would be offered twice.
        """
        async with self.units.begin() as work:
            if not await repository.try_lock_waitlist(work.session):
                return
            for row in await repository.list_expired_offers(work.session, work.now):
                await reservations.release(work.session, row.offer.reservation_id)
                await close_offer(work, row, OfferState.LAPSED)
                await repository.requeue(work.session, row.entry.id)
            await repository.close_past_entries(work.session, work.now.date() - _DAY)
            await repository.mark_due(work.session, MARKS_PER_RUN)
            snapshots: dict[UUID, _Snapshot | None] = {}
            for entry, provider_location in await repository.list_due(work.session, ENTRIES_PER_RUN):
                if provider_location.id not in snapshots:
                    snapshots[provider_location.id] = await _load_snapshot(work, provider_location)
                await self._check_entry(work, entry, provider_location, snapshots[provider_location.id])

    async def _check_entry(
        self, work: UnitOfWork, entry: Entry, provider_location: ProviderLocation, snapshot: "_Snapshot | None"
    ) -> None:
        """Offer the first suitable time, if there is any."""
        await repository.clear_due(work.session, entry.id)
        offer = None if snapshot is None else await self._reserve_offer(work, entry, snapshot)
        if offer is not None:
            await repository.add_offer(work.session, entry.id, offer)
            await repository.set_state(work.session, entry.id, EntryState.OFFERED)
            work.record(offer_event(entry, offer, provider_location))

    async def _reserve_offer(self, work: UnitOfWork, entry: Entry, snapshot: "_Snapshot") -> Offer | None:
        offered_before = await repository.list_offered_starts(work.session, entry.id)
        for start in select_candidates(snapshot.free_starts(entry, work.now), offered_before, ATTEMPTS_PER_ENTRY):
            if (offer := await self._try_start(work, entry, snapshot, start)) is not None:
                return offer
        return None

    async def _try_start(self, work: UnitOfWork, entry: Entry, snapshot: "_Snapshot", start: datetime) -> Offer | None:
        """Reserve the time of an offer; return None if it can't be reserved."""
        timetable = snapshot.timetable
        if timetable.calendar is None:
            return None
        request = entry.request_visit(start)
        try:
            visit, occupied = resolve_visit(
                request, snapshot.provider_location, timetable.calendar, timetable.segments, work.now
            )
        except (NotOfferedError, NoVisitTypeError):
            return None
        expires_at = work.now + OFFER_LIFETIME
        offer = Offer(self.ids(), 1, OfferState.OFFERED, self.ids(), start, visit.minutes, expires_at)
        owner = Owner(entry.patient_id, entry.dependant_id)
        reservation = Reservation(offer.reservation_id, owner, visit, occupied, expires_at, offer.id)
        # Even if another client was faster, the time isn't free for the next entry.
        snapshot.occupy(occupied)
        return offer if await self.reserve(work.session, reservation, work.now) else None


@dataclass(slots=True)
class _Snapshot:
    """The timetable and the reserved time of a provider-location, loaded once per run.

    All its entries are checked against the same snapshot: time that becomes free meanwhile would otherwise go to a
    later entry although earlier ones wait for it.
    """

    provider_location: ProviderLocation
    timetable: Timetable
    occupied: list[tuple[int, int]]

    def free_starts(self, entry: Entry, now: datetime) -> list[datetime]:
        """Return the free starts within the entry's days, in order."""
        zone = self.provider_location.time_zone
        within = StartBounds(start_of_day(zone, entry.first_day), start_of_day(zone, entry.last_day + _DAY))
        criteria = entry.request_visit(now).criteria
        times = find_bookable_times(self.timetable, OccupiedTime(self.occupied), criteria, within, now.timestamp())
        return [from_minute(start) for start in times.starts()]

    def occupy(self, time: TimeRange) -> None:
        """Exclude the time from the free starts."""
        self.occupied = merge_windows([*self.occupied, (to_minute(time.begin), to_minute(time.end))])


async def _load_snapshot(work: UnitOfWork, provider_location: ProviderLocation) -> _Snapshot | None:
    """Return the snapshot; None if the provider-location was deleted."""
    first, last = work.now.date() - _DAY, work.now.date() + timedelta(MAX_DAYS + 2)
    loaded = await timetables.load_timetable(work.session, provider_location.id, first, last, work.now)
    if loaded is None:
        return None
    timetable, occupied = loaded
    return _Snapshot(provider_location, timetable, list(zip(occupied.begins, occupied.ends, strict=True)))
