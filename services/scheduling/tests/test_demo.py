"""Made-up calendars."""

from datetime import date

from sqlalchemy import text

from millrace_feeds.testing import wait_until
from millrace_platform.ids import Uuid7
from millrace_platform.unit_of_work import Envelopes, UnitsOfWork
from millrace_scheduling.demo.loader import load
from millrace_scheduling.demo.patterns import PATTERNS, calendar_of
from millrace_scheduling.slot.model import compute_segments

from .running import Service
from .test_availability import starts


async def test_some_places_are_full_some_are_sparse_and_all_can_be_shown(service: Service) -> None:
    zones = ("America/New_York", "America/Denver", "America/Phoenix")
    places = [await service.place(time_zone=zones[number % 3]) for number in range(30)]
    units = UnitsOfWork(service.database, Envelopes("/services/scheduling", service.clock, Uuid7(service.clock)))
    assert await load(units, wanted=30, seed=1, patience=5, report=lambda _: None) == 30
    assert await load(units, wanted=30, seed=1, patience=5, report=lambda _: None) == 0
    counts = [len(await starts(service, place, to="2026-12-01")) for place in places]
    assert min(counts) < 5
    assert max(counts) > 20
    async with service.database.transaction() as session:
        booked = (await session.execute(text("SELECT count(*) FROM reservations JOIN appointments USING (id)"))).scalar_one()
    assert booked > 30
    await wait_until(lambda: len(service.latest("availability")) > 60)


def test_patterns_have_slots() -> None:
    for pattern in range(PATTERNS):
        calendar = calendar_of(pattern, "America/New_York", 1)
        assert any(compute_segments(calendar, date(2026, 12, day)) for day in range(1, 15))
