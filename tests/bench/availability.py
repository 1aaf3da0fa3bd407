"""Availability of 50 provider-locations on 14 days over HTTP, with calendars as full as in practice."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final
from uuid import UUID, uuid5

import msgspec

from millrace_feeds.clock import SystemClock
from millrace_local.ports import free_ports
from millrace_local.process import ProcessSpec, http_probe
from millrace_local.servers import ministack
from millrace_local.testing import running
from millrace_platform.database import open_database
from millrace_platform.ids import Uuid7
from millrace_platform.unit_of_work import Envelopes, UnitsOfWork
from millrace_scheduling.demo.loader import load_demo
from millrace_scheduling.migrate import migrate
from millrace_scheduling.provider_location.model import ProviderLocation
from millrace_scheduling.provider_location.repository import save_newer
from tests.bench.search_load import Load, Report
from tests.support.platform import wait_for

PLACES: Final = 2_500
ASKED: Final = 50
DAYS: Final = 14
QUERIES: Final = 200
SECONDS: Final = 8.0
TOLD_WITHIN: Final = 180.0
ZONES: Final = ("America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles")
NAMESPACE: Final = UUID("1b0a4f0e-7f0c-4f5c-9d0e-55d5b0f9a001")


async def fill(database_url: str) -> float:
    """Fill an empty database with the demo's calendars and bookings; return the seconds it took."""
    await migrate(database_url)
    clock = SystemClock()
    places = [
        ProviderLocation(uuid5(NAMESPACE, str(n)), str(1_000_000_000 + n), None, ZONES[n % len(ZONES)], 1)
        for n in range(PLACES)
    ]
    async with open_database(database_url, name="bench", pool_size=1, seconds=60) as database:
        units = UnitsOfWork(database, Envelopes("/bench", clock, Uuid7(clock)))
        async with units.begin() as work:
            await save_newer(work.session, places)
        before = clock.monotonic()
        await load_demo(units, limit=PLACES, seed=1, wait=0, on_progress=lambda _: None)
        return clock.monotonic() - before


def measure_responses(database_url: str, home: Path, *, connections: int) -> Report:
    """Measure responses in a closed loop over `connections` connections."""
    with _served(database_url, home) as port:
        warm = Load(port=port, paths=queries(), first=0, connections=connections, seconds=2.0)
        _ask(warm)
        return _ask(Load(port=port, paths=queries(), first=100, connections=connections, seconds=SECONDS))


def queries() -> list[str]:
    """Return request paths with 50 provider-locations each."""
    random = Random(1)
    first = datetime.now(UTC).date()
    days = f"from={first}&to={first + timedelta(DAYS - 1)}"
    asked = (random.sample(range(PLACES), ASKED) for _ in range(QUERIES))
    return [
        f"/v1/availability?{days}&"
        + "&".join(f"provider_location={uuid5(NAMESPACE, str(number))}" for number in numbers)
        for numbers in asked
    ]


@contextmanager
def _served(database_url: str, home: Path) -> Iterator[int]:
    """Run the service without feeds: its events stay in its outbox."""
    port, nothing = free_ports(2, Random())
    spec = ProcessSpec(
        name="scheduling",
        command=(sys.executable, "-m", "millrace_scheduling"),
        ready=http_probe(f"http://127.0.0.1:{port}/readyz"),
        environment={
            **ministack.CREDENTIALS,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{nothing}",
            "MILLRACE_SCHEDULING_DATABASE_URL": database_url,
            "MILLRACE_LISTEN_PORT": str(port),
            "MILLRACE_LOG_LEVEL": "error",
        },
    )
    with running(spec, home / "scheduling.log"):
        wait_until_published(port)
        yield port


def wait_until_published(port: int) -> None:
    """Wait until the openings of all new calendars are published, which happens once per calendar."""

    def are_published() -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/internal/scheduling/status", timeout=10) as answer:
            return bool(json.load(answer)["openings"]["backlog"] == 0)

    wait_for(are_published, seconds=TOLD_WITHIN, what="telling the openings")


def _ask(wanted: Load) -> Report:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.search_load"],
        input=msgspec.json.encode(wanted),
        stdout=subprocess.PIPE,
        check=True,
        timeout=wanted.seconds + 30,
    )
    report = msgspec.json.decode(done.stdout, type=Report)
    if report.failures:
        raise RuntimeError(f"{report.failures} of {report.requests} requests failed")
    return report
