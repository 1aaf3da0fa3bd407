"""Demo calendars and bookings."""

from datetime import date
from pathlib import Path

from sqlalchemy import text

from millrace_feeds.testing import wait_until
from millrace_platform.ids import Uuid7
from millrace_platform.unit_of_work import Envelopes, UnitsOfWork
from millrace_scheduling.calendar.slots import compute_segments
from millrace_scheduling.demo.cli import read_npis
from millrace_scheduling.demo.loader import Selection, load_demo
from millrace_scheduling.demo.patterns import PATTERNS, demo_calendar

from .running import Service
from .test_availability import list_starts


async def test_demo_has_full_and_empty_calendars(service: Service) -> None:
    zones = ("America/New_York", "America/Denver", "America/Phoenix")
    locations = [await service.add_provider_location(time_zone=zones[number % 3]) for number in range(30)]
    units = UnitsOfWork(service.database, Envelopes("/services/scheduling", service.clock, Uuid7(service.clock)))
    assert await load_demo(units, Selection(), seed=1, wait=5, on_progress=lambda _: None) == 30
    assert await load_demo(units, Selection(), seed=1, wait=5, on_progress=lambda _: None) == 0
    counts = [len(await list_starts(service, location, to="2026-12-01")) for location in locations]
    assert min(counts) < 5
    assert max(counts) > 20
    async with service.database.transaction() as session:
        booked = (
            await session.execute(text("SELECT count(*) FROM reservations JOIN appointments USING (id)"))
        ).scalar_one()
    assert booked > 30
    await wait_until(lambda: len(service.latest("availability")) > 60)


async def test_share_of_the_providers_of_a_file_get_calendars(service: Service) -> None:
    numbers = [f"2{number:09}" for number in range(40)]
    for number in numbers:
        await service.add_provider_location(npi=number)
    units = UnitsOfWork(service.database, Envelopes("/services/scheduling", service.clock, Uuid7(service.clock)))
    chosen = Selection(share=0.5, npis=frozenset(numbers[:20]))
    created = await load_demo(units, chosen, seed=1, wait=5, on_progress=lambda _: None)
    assert 3 < created < 17
    async with service.database.transaction() as session:
        query = text("SELECT npi FROM calendars JOIN provider_locations ON id = provider_location_id")
        found = set((await session.execute(query)).scalars())
    assert len(found) == created
    assert found < set(numbers[:20])


def test_file_names_persons_only(tmp_path: Path) -> None:
    (tmp_path / "nppes.csv").write_text('"NPI","Entity Type Code"\n"2000000001","1"\n"2000000002","2"\n')
    assert read_npis(tmp_path / "nppes.csv") == {"2000000001"}


def test_each_pattern_has_slots() -> None:
    for pattern in range(PATTERNS):
        calendar = demo_calendar(pattern, "America/New_York", 1)
        assert any(compute_segments(calendar, date(2026, 12, day)) for day in range(1, 15))
