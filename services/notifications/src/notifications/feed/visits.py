"""Takes visits from the feed: letters get their timers, practices their messages, in one transaction."""

from dataclasses import dataclass
from datetime import datetime

from millrace_platform.clock import Clock
from millrace_platform.database import Session
from notifications.appointment import repository
from notifications.appointment.model import Known, Visit, happenings
from notifications.delivery.fan_out import FanOut
from notifications.moments import now_of
from notifications.place.model import Place
from notifications.place.repository import place_of
from notifications.timer.rules import plan
from notifications.timer.service import Timers


@dataclass(frozen=True, slots=True)
class Visits:
    """Applies each version of a visit once."""

    timers: Timers
    fan_out: FanOut
    clock: Clock

    async def apply(self, session: Session, visit: Visit, *, at: datetime, replay: bool) -> bool:
        """Apply one state; False where it isn't newer than what is known. `at` is the time of the change.

        A state that is sent again and was never seen here is no news: it sets reminders and announces nothing.
        """
        before = await repository.locked(session, visit.id)
        is_newer = before is None or before.version < visit.version
        # Of two workers that read the same first record, the write tells which one is to go on.
        if not is_newer or not await repository.put(session, visit):
            return False
        announce, now = before is not None or not replay, now_of(self.clock)
        place = await place_of(session, visit.provider_location_id)
        zone = visit.time_zone or (None if place is None else place.time_zone)
        practices = await _practices(session, before, visit, place)
        for happening in happenings(before, visit):
            await self.timers.apply(session, plan(happening, visit, zone, now, announce=announce))
            for practice in practices if announce else ():
                await self.fan_out.tell(session, practice, happening, visit, at=at, now=now)
        return True


async def _practices(session: Session, before: Known | None, visit: Visit, place: Place | None) -> list[str]:
    """Who is told: the visit's practice, and the one that it moved away from."""
    here = visit.practice_id or (None if place is None else place.practice_id)
    left = None
    if before is not None and before.provider_location_id != visit.provider_location_id:
        former = await place_of(session, before.provider_location_id)
        left = None if former is None else former.practice_id
    return sorted({practice for practice in (here, left) if practice is not None})
