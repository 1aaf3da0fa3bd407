"""Takes visits from the feed: letters get their timers, practices their messages, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from millrace_feeds.clock import Clock, utc_now
from millrace_notifications.appointment import repository
from millrace_notifications.appointment.model import Known, Visit, happenings
from millrace_notifications.delivery.fan_out import FanOut, News
from millrace_notifications.place.model import Place
from millrace_notifications.place.repository import places_of
from millrace_notifications.timer.model import Plan
from millrace_notifications.timer.rules import plan
from millrace_notifications.timer.service import Timers
from millrace_platform.database import Session


@dataclass(frozen=True, slots=True)
class Change:
    """A visit's state as it came; `at` is the time of the change."""

    visit: Visit
    at: datetime
    replay: bool


@dataclass(slots=True)
class _Effects:
    """What a batch asks for, in order."""

    newest: dict[str, Visit] = field(default_factory=dict)
    plans: list[Plan] = field(default_factory=list)
    news: list[News] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Visits:
    """Applies each version of a visit once."""

    timers: Timers
    fan_out: FanOut
    clock: Clock

    async def apply(self, session: Session, changes: Sequence[Change]) -> None:
        """Apply changes in order, in a few statements however many they are. What isn't newer than known is nothing."""
        if not changes:
            return
        known = await repository.locked(session, [change.visit for change in changes])
        ids = {change.visit.provider_location_id for change in changes}
        ids |= {each.provider_location_id for each in known.values()}
        places, effects = await places_of(session, ids), _Effects()
        for change in changes:
            visit = change.visit
            before = known.get(visit.id)
            if before is None or before.version < visit.version:
                self._collect(effects, before, change, places)
                known[visit.id], effects.newest[visit.id] = Known.of(visit), visit
        await repository.put(session, effects.newest.values())
        await self.timers.apply(session, effects.plans)
        await self.fan_out.tell(session, effects.news, utc_now(self.clock))

    def _collect(self, effects: _Effects, before: Known | None, change: Change, places: Mapping[str, Place]) -> None:
        """A state that is sent again and was never seen here is no news: it sets reminders and announces nothing."""
        visit, now = change.visit, utc_now(self.clock)
        announce = before is not None or not change.replay
        place = places.get(visit.provider_location_id)
        zone = visit.time_zone or (None if place is None else place.time_zone)
        practices = _practices(before, visit, places) if announce else []
        for happening in happenings(before, visit):
            effects.plans.append(plan(happening, visit, zone, now, announce=announce))
            effects.news.extend(News(practice, happening, visit, change.at) for practice in practices)


def _practices(before: Known | None, visit: Visit, places: Mapping[str, Place]) -> list[str]:
    """Who is told: the visit's practice, and the one that it moved away from."""
    told = {visit.practice_id or _practice_at(visit.provider_location_id, places)}
    if before is not None and before.provider_location_id != visit.provider_location_id:
        told.add(_practice_at(before.provider_location_id, places))
    return sorted(practice for practice in told if practice is not None)


def _practice_at(identifier: str, places: Mapping[str, Place]) -> str | None:
    place = places.get(identifier)
    return None if place is None else place.practice_id
