"""Looks after the line: whose offer lapsed, and whose turn it is where time came free.

Whatever may free time marks it for the openings; the lines there are looked at anew. So nothing else has to be told to
a line, however time comes free, and nothing is lost when a process dies.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from millrace_platform.errors import Problem
from millrace_platform.ids import Ids
from millrace_platform.rounds import in_rounds
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_scheduling.availability import repository as timetables
from millrace_scheduling.availability.model import Bounds
from millrace_scheduling.availability.repository import Timetable
from millrace_scheduling.availability.service import NOTHING_TAKEN, times_of
from millrace_scheduling.hold.visit_request import NotOfferedError, NoVisitTypeError, resolve_visit
from millrace_scheduling.place.model import Place
from millrace_scheduling.reservation import repository as claims
from millrace_scheduling.reservation.model import Owner, TimeRange
from millrace_scheduling.reservation.repository import Reservation, Reserve
from millrace_scheduling.slot.model import Occupied
from millrace_scheduling.slot.windows import day_begins, merged
from millrace_scheduling.slot.zones import minute_of, moment_of
from millrace_scheduling.waitlist import repository
from millrace_scheduling.waitlist.model import DAYS, OFFER_LIFETIME, Entry, EntryState, Offer, OfferState, candidates
from millrace_scheduling.waitlist.service import became
from millrace_scheduling.waitlist.wire import event_of

AT_ONCE = 100
"""Entries that one transaction looks at."""
MARKS = 1_000
"""Marks of lines that one transaction takes; the next one goes on behind them."""
TRIES = 3
"""How many times are tried to be held for one entry: others may be faster."""


@dataclass(frozen=True, slots=True)
class WaitlistProcessor:
    """Any number may run at once: one at a time does a round. `pause` is the time between two rounds, in seconds."""

    units: UnitsOfWork
    ids: Ids
    take: Reserve
    pause: float

    async def run(self) -> None:
        """See `in_rounds`."""
        await in_rounds(self.once, name="waitlist", pause=self.pause, passing=(Problem, OSError))

    async def once(self) -> None:
        """Offers that lapsed first: the time is for the next one then.

        All at one moment: what lapses between the two would be offered twice.
        """
        async with self.units.begin() as work:
            if not await repository.round_is_ours(work.session):
                return
            for offered in await repository.lapsing(work.session, work.now):
                await claims.release(work.session, offered.offer.claim_id)
                await became(work, offered, OfferState.LAPSED)
                await repository.set_waiting(work.session, offered.entry.id)
            await repository.drop_late(work.session, work.now.date() - timedelta(1))
            await repository.mark(work.session, MARKS)
            views: dict[UUID, _View | None] = {}
            for entry, place in await repository.due(work.session, AT_ONCE):
                if place.id not in views:
                    views[place.id] = await _view(work, place)
                await self._serve(work, entry, place, views[place.id])

    async def _serve(self, work: UnitOfWork, entry: Entry, place: Place, view: "_View | None") -> None:
        """Offer the first time that suits."""
        await repository.looked_at(work.session, entry.id)
        offer = None if view is None else await self._offer(work, entry, view)
        if offer is not None:
            await repository.add_offer(work.session, entry.id, offer)
            await repository.set_state(work.session, entry.id, EntryState.OFFERED)
            work.record(event_of(entry, offer, place))

    async def _offer(self, work: UnitOfWork, entry: Entry, view: "_View") -> Offer | None:
        before = await repository.offered_starts(work.session, entry.id)
        for start in candidates(view.free(entry, work.now), before, TRIES):
            if (offer := await self._held(work, entry, view, start)) is not None:
                return offer
        return None

    async def _held(self, work: UnitOfWork, entry: Entry, view: "_View", start: datetime) -> Offer | None:
        """An offer whose time is held; None where it can't be had."""
        found = view.timetable
        if found.calendar is None:
            return None
        try:
            visit, occupied = resolve_visit(entry.asked(start), view.place, found.calendar, found.segments, work.now)
        except (NotOfferedError, NoVisitTypeError):
            return None
        expires_at = work.now + OFFER_LIFETIME
        offer = Offer(self.ids(), 1, OfferState.OFFERED, self.ids(), start, visit.minutes, expires_at)
        owner = Owner(entry.patient_id, entry.dependant_id)
        claim = Reservation(offer.claim_id, owner, visit, occupied, expires_at, offer.id)
        # Whether it was taken now or before, it isn't for the next in line.
        view.take(occupied)
        return offer if await self.take(work.session, claim, work.now) else None


_DAY = timedelta(1)


@dataclass(slots=True)
class _View:
    """A place as it was when the round came to it.

    All who wait there are looked at with this one: what comes free meanwhile would go to whoever is looked at next,
    though others stand before them.
    """

    place: Place
    timetable: Timetable
    taken: list[tuple[int, int]]

    def free(self, entry: Entry, now: datetime) -> list[datetime]:
        """Times within the entry's days that are free, in order."""
        zone = self.place.time_zone
        within = Bounds(day_begins(zone, entry.first_day), day_begins(zone, entry.last_day + _DAY))
        wanted = entry.asked(now).wanted
        times = times_of(self.timetable, Occupied(self.taken), wanted, within, now.timestamp())
        return [moment_of(start) for start in times.starts()]

    def take(self, span: TimeRange) -> None:
        self.taken = merged([*self.taken, (minute_of(span.begin), minute_of(span.end))])


async def _view(work: UnitOfWork, place: Place) -> _View | None:
    """None where there is no such place any more."""
    first, last = work.now.date() - _DAY, work.now.date() + timedelta(DAYS + 2)
    found = (await timetables.timetables(work.session, [place.id], first, last)).get(place.id)
    if found is None:
        return None
    occupied = (await timetables.occupied(work.session, [found.npi], first, last, work.now)).get(
        found.npi, NOTHING_TAKEN
    )
    return _View(place, found, list(zip(occupied.begins, occupied.ends, strict=True)))
