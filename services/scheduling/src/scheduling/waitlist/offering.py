"""Looks after the line: whose offer lapsed, and whose turn it is where time came free.

Where openings of a place changed, its line is looked at anew; so nothing has to be told to the line when time comes
free, however that comes, and nothing is lost when a process dies.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from millrace_platform.errors import Problem
from millrace_platform.ids import Ids
from millrace_platform.rounds import in_rounds
from scheduling.availability import repository as timetables
from scheduling.availability.model import Bounds
from scheduling.availability.service import NOTHING_TAKEN, times_of
from scheduling.claim import repository as claims
from scheduling.claim.model import Owner
from scheduling.claim.repository import Claim, Take
from scheduling.hold.asking import NotOfferedError, NoVisitTypeError, visit_and_span
from scheduling.slot.windows import day_begins
from scheduling.slot.zones import moment_of
from scheduling.unit_of_work import Units, Work
from scheduling.waitlist import repository
from scheduling.waitlist.model import OFFER_LIFETIME, EntryState, Offer, OfferState, candidates
from scheduling.waitlist.repository import News
from scheduling.waitlist.service import became
from scheduling.waitlist.wire import event_of

AT_ONCE = 100
"""Entries that one transaction looks at."""
CHANGES = 10_000
"""Changes of openings that one transaction takes note of; the next one goes on behind them."""
TRIES = 3
"""How many times are tried to be held for one entry: others may be faster."""


@dataclass(frozen=True, slots=True)
class Offering:
    """Any number may run at once: one at a time does a round. `pause` is the time between two rounds, in seconds."""

    units: Units
    ids: Ids
    take: Take
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
                await repository.set_state(work.session, offered.entry.id, EntryState.WAITING)
            await repository.drop_late(work.session, work.now.date() - timedelta(1))
            seq = await repository.mark(work.session, CHANGES)
            for news in await repository.marked(work.session, seq, AT_ONCE):
                await self._serve(work, news)

    async def _serve(self, work: Work, news: News) -> None:
        """Offer the first time that suits; where there is none, wait for the next change."""
        before = await repository.offered_starts(work.session, news.entry.id)
        for start in candidates(await _free(work, news), before, TRIES):
            if (offer := await self._held(work, news, start)) is not None:
                await repository.add_offer(work.session, news.entry.id, offer)
                await repository.set_state(work.session, news.entry.id, EntryState.OFFERED, news.seq)
                work.record(event_of(news.entry, offer, news.place))
                return
        await repository.set_state(work.session, news.entry.id, EntryState.WAITING, news.seq)

    async def _held(self, work: Work, news: News, start: datetime) -> Offer | None:
        """An offer whose time is held; None where it can't be had."""
        entry, day = news.entry, start.date()
        found = (await timetables.timetables(work.session, [entry.place_id], day - _DAY, day + _DAY))[entry.place_id]
        if found.calendar is None:
            return None
        try:
            visit, occupied = visit_and_span(entry.asked(start), news.place, found.calendar, found.segments, work.now)
        except (NotOfferedError, NoVisitTypeError):
            return None
        expires_at = work.now + OFFER_LIFETIME
        offer = Offer(self.ids(), 1, OfferState.OFFERED, self.ids(), start, visit.minutes, expires_at)
        owner = Owner(entry.patient_id, entry.dependant_id)
        claim = Claim(offer.claim_id, owner, visit, occupied, expires_at, offer.id)
        return offer if await self.take(work.session, claim, work.now) else None


_DAY = timedelta(1)


async def _free(work: Work, news: News) -> list[datetime]:
    """Times within the entry's days that are free, in order."""
    entry, zone = news.entry, news.place.time_zone
    first, last = entry.first_day - _DAY, entry.last_day + _DAY
    found = (await timetables.timetables(work.session, [entry.place_id], first, last)).get(entry.place_id)
    if found is None:
        return []
    occupied = await timetables.occupied(work.session, [found.npi], first, last, work.now)
    within = Bounds(day_begins(zone, entry.first_day), day_begins(zone, entry.last_day + _DAY))
    wanted = entry.asked(work.now).wanted
    times = times_of(found, occupied.get(found.npi, NOTHING_TAKEN), wanted, within, work.now.timestamp())
    return [moment_of(start) for start, _ in times.starts]
