"""Takes visits from the feed: letters get their timers, practices their messages, in one transaction."""

from dataclasses import dataclass
from datetime import datetime

from millrace_platform.clock import Clock
from millrace_platform.database import Session
from notifications.appointment import repository
from notifications.appointment.model import Visit, happenings
from notifications.delivery.fan_out import FanOut
from notifications.moments import now_of
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
        practice = visit.practice_id or (None if place is None else place.practice_id)
        for happening in happenings(before, visit):
            await self.timers.apply(session, plan(happening, visit, zone, now, announce=announce))
            if announce and practice is not None:
                await self.fan_out.tell(session, practice, happening, visit, at=at, now=now)
        return True
