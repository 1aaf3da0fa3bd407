"""Availability of 50 provider-locations on 14 days over HTTP, with calendars as full as in practice."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID, uuid5

from millrace_feeds.clock import SystemClock
from millrace_local.ports import free_ports
from millrace_local.process import ProcessSpec, http_probe
from millrace_local.servers import ministack
from millrace_platform.database import open_database
from millrace_platform.ids import Uuid7
from millrace_platform.unit_of_work import Envelopes, UnitsOfWork
from millrace_scheduling.demo.loader import Selection, load_demo
from millrace_scheduling.migrate import migrate
from millrace_scheduling.provider_location.model import ProviderLocation
from millrace_scheduling.provider_location.repository import save_newer
from tests.bench.search_load import Load, Report, measure
from tests.bench.servers import started
from tests.bench.status import KEYS, read_status
from tests.support.platform import wait_for
from tests.support.visits import MANY_VISITS

PROVIDER_LOCATIONS: Final = 2_500
PER_REQUEST: Final = 50
"""Provider-locations whose availability one request asks for."""
DAYS: Final = 14
QUERIES: Final = 200
SECONDS: Final = 8.0
PUBLISHED_WITHIN: Final = 180.0
ZONES: Final = ("America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles")
NAMESPACE: Final = UUID("1b0a4f0e-7f0c-4f5c-9d0e-55d5b0f9a001")


def provider_location_id(number: int) -> UUID:
    """Return the id of the provider-location with this number, from 0 on."""
    return uuid5(NAMESPACE, str(number))


async def fill(database_url: str) -> float:
    """Fill an empty database with the demo's calendars and bookings; return the seconds it took."""
    await migrate(database_url)
    clock = SystemClock()
    provider_locations = [
        ProviderLocation(provider_location_id(n), str(1_000_000_000 + n), None, ZONES[n % len(ZONES)], 1)
        for n in range(PROVIDER_LOCATIONS)
    ]
    async with open_database(database_url, name="bench", pool_size=1, seconds=60) as database:
        units = UnitsOfWork(database, Envelopes("/bench", clock, Uuid7(clock)))
        async with units.begin() as work:
            await save_newer(work.session, provider_locations, work.now)
        before = clock.monotonic()
        await load_demo(units, Selection(limit=PROVIDER_LOCATIONS), seed=1, wait=0, on_progress=lambda _: None)
        return clock.monotonic() - before


def measure_responses(database_url: str, *, connections: int) -> Report:
    """Measure responses in a closed loop over `connections` connections."""
    with scheduling_service(database_url) as port:
        measure(Load(port=port, paths=queries(), first=0, connections=connections, seconds=2.0))
        return measure(Load(port=port, paths=queries(), first=100, connections=connections, seconds=SECONDS))


def queries() -> list[str]:
    """Return request paths with 50 provider-locations each."""
    random = Random(1)
    first = datetime.now(UTC).date()
    days = f"from={first}&to={first + timedelta(DAYS - 1)}"
    samples = (random.sample(range(PROVIDER_LOCATIONS), PER_REQUEST) for _ in range(QUERIES))
    return [
        f"/v1/availability?{days}&" + "&".join(f"provider_location={provider_location_id(n)}" for n in numbers)
        for numbers in samples
    ]


@contextmanager
def scheduling_service(database_url: str, environment: Mapping[str, str] | None = None) -> Iterator[int]:
    """Run the scheduling service during the block; yield its port when all openings are published."""
    port, aws_port = free_ports(2)
    with started(scheduling_spec(port, aws_port, database_url, environment or {})):

        def are_published() -> bool:
            return bool(read_status("scheduling", port)["openings"]["backlog"] == 0)

        wait_for(are_published, seconds=PUBLISHED_WITHIN, what="publishing the openings")
        yield port


def scheduling_spec(port: int, aws_port: int, database_url: str, environment: Mapping[str, str]) -> ProcessSpec:
    """Return a process of the scheduling service. No server is on `aws_port`, so events stay in the outbox."""
    return ProcessSpec(
        name="scheduling",
        command=(sys.executable, "-m", "millrace_scheduling"),
        ready=http_probe(f"http://127.0.0.1:{port}/readyz"),
        environment={
            **ministack.CREDENTIALS,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{aws_port}",
            "MILLRACE_SCHEDULING_DATABASE_URL": database_url,
            "MILLRACE_AUDIT_KEY": "a" * 43,
            "MILLRACE_LISTEN_PORT": str(port),
            "MILLRACE_LOG_LEVEL": "error",
            **MANY_VISITS,
            **KEYS,
            **environment,
        },
    )
