"""Makes offers to patients on the waitlist, and closes expired offers.

Every statement that may free time inserts a mark for the provider (decision 0037). The processor checks all entries of
marked providers, so no other code has to notify it, and marks survive the death of a process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from millrace_platform.errors import Problem
from millrace_platform.ids import Ids
from millrace_platform.periodic import run_periodically
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_scheduling.availability.model import Timetable, find_bookable_visit_type
from millrace_scheduling.calendar.slots import OccupiedTime
from millrace_scheduling.hold import repository as holds
from millrace_scheduling.hold.model import TooManyHoldsError
from millrace_scheduling.hold.service import practice_limits
from millrace_scheduling.provider_location.model import ProviderLocation
from millrace_scheduling.reservation import repository as reservations
from millrace_scheduling.reservation.model import Owner, Reservation, TimeRange
from millrace_scheduling.reservation.repository import Reserve
from millrace_scheduling.visit_limits import TooManyVisitsError, VisitPolicy
from millrace_scheduling.waitlist import repository
from millrace_scheduling.waitlist.free_times import FreeTimes, load_free_times
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

ENTRIES_PER_RUN = 100
MARKS_PER_RUN = 1_000
ATTEMPTS_PER_ENTRY = 3
"""Maximum of starts that are tried for one entry, because other clients may reserve some first."""

_DAY = timedelta(1)


class _PatientBusyError(Exception):
    """A hold of the entry's patient is being made at this moment."""


@dataclass(frozen=True, slots=True)
class WaitlistProcessor:
    """Periodic task that can run in several processes, of which one at a time works.

    `pause`: seconds between two runs.
    """

    units: UnitsOfWork
    ids: Ids
    reserve: Reserve
    policy: VisitPolicy
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
            first = work.now.date() - _DAY
            await repository.close_past_entries(work.session, first)
            await repository.mark_due(work.session, MARKS_PER_RUN)
            # All entries of a run are checked against the same times: time that becomes free meanwhile would otherwise
            # go to a later entry although earlier ones wait for it.
            loaded: dict[UUID, FreeTimes | None] = {}
            stopped: set[UUID] = set()
            for entry, provider_location in await repository.list_due(work.session, ENTRIES_PER_RUN):
                if provider_location.id in stopped:
                    continue
                if provider_location.id not in loaded:
                    loaded[provider_location.id] = await load_free_times(
                        work.session, provider_location, first, first + timedelta(MAX_DAYS + 2), work.now
                    )
                try:
                    await self._check_entry(work, entry, provider_location, loaded[provider_location.id])
                except _PatientBusyError:
                    # The rest of the line stays due: the next run goes on with this entry.
                    stopped.add(provider_location.id)

    async def _check_entry(
        self, work: UnitOfWork, entry: Entry, provider_location: ProviderLocation, free_times: FreeTimes | None
    ) -> None:
        """Offer the first suitable time, if there is any. Raise `_PatientBusyError` before any change."""
        offer = None if free_times is None else await self._reserve_offer(work, entry, free_times)
        await repository.clear_due(work.session, entry.id)
        if offer is not None:
            await repository.add_offer(work.session, entry.id, offer)
            await repository.set_state(work.session, entry.id, EntryState.OFFERED)
            work.record(offer_event(entry, offer, provider_location))

    async def _reserve_offer(self, work: UnitOfWork, entry: Entry, free_times: FreeTimes) -> Offer | None:
        """Reserve the first suitable time; return None if there is none, or the patient may have no further hold."""
        offered_before = await repository.list_offered_starts(work.session, entry.id)
        owner = Owner(entry.patient_id, entry.dependant_id)
        own_times = await reservations.list_person_times(work.session, owner, work.now)
        free = (
            start
            for start in free_times.starts(entry, work.now)
            if not any(each.begin <= start < each.end for each in own_times)
        )
        candidates = select_candidates(free, offered_before, ATTEMPTS_PER_ENTRY)
        if not candidates or not await self._has_capacity(work, entry.patient_id, free_times.timetable):
            return None
        for start in candidates:
            if (offer := await self._try_start(work, entry, free_times, start, own_times)) is not None:
                return offer
        return None

    async def _has_capacity(self, work: UnitOfWork, patient_id: UUID, timetable: Timetable) -> bool:
        """Return whether the patient may have a further hold and visit; no other is made until the transaction ends.

        Raise `_PatientBusyError` if one is being made at this moment.
        """
        found = await holds.try_lock_usage(work.session, patient_id, timetable.npi, work.now)
        if found is None:
            raise _PatientBusyError
        usage, registered_at = found
        limits = self.policy.limits_for(practice_limits(timetable.calendar), registered_at, work.now)
        try:
            usage.require_capacity(limits, work.now)
        except (TooManyHoldsError, TooManyVisitsError):
            return False
        return True

    async def _try_start(
        self, work: UnitOfWork, entry: Entry, free_times: FreeTimes, start: datetime, own_times: Sequence[TimeRange]
    ) -> Offer | None:
        """Reserve the time of an offer; return None if it can't be reserved, or the person has another visit then."""
        request, timetable = entry.request_visit(start), free_times.timetable
        visit_type = find_bookable_visit_type(
            timetable, OccupiedTime(free_times.occupied), request.criteria, start, work.now.timestamp()
        )
        if visit_type is None:
            return None
        visit, occupied = request.to_visit(timetable, visit_type)
        if any(each.overlaps(visit.time) for each in own_times):
            return None
        expires_at = work.now + OFFER_LIFETIME
        offer = Offer(self.ids(), 1, OfferState.OFFERED, self.ids(), start, visit.minutes, expires_at)
        owner = Owner(entry.patient_id, entry.dependant_id)
        reservation = Reservation(offer.reservation_id, owner, visit, occupied, expires_at, offer.id)
        # Even if another client was faster, the time isn't free for the next entry.
        free_times.occupy(occupied)
        return offer if await self.reserve(work.session, reservation, work.now) else None
