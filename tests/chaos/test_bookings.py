"""Service processes are killed while clients book: no double bookings, and no acknowledged booking is lost."""

import asyncio
import contextlib
import random
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import pytest
from joserfc.jwk import RSAKey

from millrace_feeds.clock import SystemClock
from millrace_local.ports import free_ports
from millrace_local.process import ProcessSpec, launch_environment
from millrace_platform.database import open_database
from millrace_platform.ids import Uuid7
from millrace_platform.unit_of_work import Envelopes, UnitsOfWork
from millrace_scheduling.migrate import migrate
from millrace_scheduling.provider_location.model import ProviderLocation
from millrace_scheduling.provider_location.repository import save_newer
from services.scheduling.tests.booking_clients import Clients, slot_at
from services.scheduling.tests.booking_history import Slot, violations
from tests.bench.availability import scheduling_spec
from tests.bench.bookings import everyone_may_book, issuer_settings, keys_served, token
from tests.support.platform import wait_for

SERVICES = 2
KILLS = 4
SECONDS = 300.0
"""Time limit for the kills; services need some time to restart."""
PLACE = ProviderLocation(UUID(int=7), "1000000007", None, "America/New_York", 1)
CALENDAR = {
    "weekly_hours": [{"weekday": day, "opens": "00:00", "closes": "24:00"} for day in ("monday", "tuesday")],
    "visit_types": [{"id": "visit", "name": "Visit", "minutes": 30}],
}
RESERVED = (
    "SELECT patient_id, npi, start, minutes FROM reservations "
    "WHERE NOT is_released AND (expires_at IS NULL OR expires_at > now())"
)


@dataclass
class KillableService:
    """A service process that can be killed and restarted."""

    spec: ProcessSpec
    url: str
    log: Path
    process: subprocess.Popen[bytes] | None = None
    kills: int = 0

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.spec.launch_command(), env=launch_environment(self.spec.environment), stdout=output, stderr=output
            )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.kills += 1

    def is_listening(self) -> bool:
        """Return whether the service accepts connections."""
        url = httpx.URL(self.url)
        with contextlib.suppress(OSError), socket.create_connection((url.host, url.port or 80), timeout=1):
            return True
        return False


@pytest.fixture
def services(postgres_dsn: str, tmp_path: Path) -> Iterator[tuple[list[KillableService], RSAKey]]:
    key = RSAKey.generate_key(2048, {"kid": "bench", "use": "sig", "alg": "RS256"})
    asyncio.run(migrate(postgres_dsn))
    aws_port, *ports = free_ports(SERVICES + 1)
    with keys_served(key) as jwks_url, everyone_may_book() as patients_url:
        variables = {**issuer_settings(jwks_url), "MILLRACE_PATIENTS_URL": patients_url}
        running = [
            KillableService(
                scheduling_spec(port, aws_port, postgres_dsn, variables),
                f"http://127.0.0.1:{port}",
                tmp_path / f"{port}.log",
            )
            for port in ports
        ]
        try:
            for each in running:
                each.start()
            for each in running:
                wait_for(each.is_listening, seconds=60, what="a service")
            yield running, key
        finally:
            for each in running:
                each.kill()


class RandomServiceTransport(httpx.AsyncBaseTransport):
    """Sends each request to a random process, like a load balancer without health checks."""

    def __init__(self, urls: list[httpx.URL], rng: random.Random) -> None:
        self._urls = urls
        self._rng = rng
        self._inner = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=100))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        chosen = self._rng.choice(self._urls)
        request.url = request.url.copy_with(host=chosen.host, port=chosen.port)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def add_calendar(dsn: str, url: str, key: RSAKey) -> list[datetime]:
    """Add the provider-location and its calendar; return the starts that clients compete for."""
    clock = SystemClock()
    async with (
        open_database(dsn, name="test", pool_size=1, seconds=30) as database,
        UnitsOfWork(database, Envelopes("/test", clock, Uuid7(clock))).begin() as work,
    ):
        await save_newer(work.session, [PLACE], work.now)
    headers = {"Authorization": f"Bearer {token(key, role='admin')}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        made = await client.put(f"/v1/calendars/{PLACE.id}", json=CALENDAR)
        assert made.status_code == 201, made.text
    today = datetime.now(UTC).replace(hour=15, minute=0, second=0, microsecond=0)
    monday = today + timedelta(days=7 - today.weekday())
    return [monday + timedelta(minutes=30 * number) for number in range(12)]


@contextlib.asynccontextmanager
async def killing_services(services: list[KillableService], rng: random.Random) -> AsyncIterator[None]:
    async def kill() -> None:
        while True:
            await asyncio.sleep(rng.uniform(1.0, 4.0))
            victim = rng.choice(services)
            await asyncio.to_thread(victim.kill)
            victim.start()
            await asyncio.to_thread(partial(wait_for, victim.is_listening, seconds=60, what="a service"))

    task = asyncio.create_task(kill())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def final_slots(dsn: str) -> dict[str, list[Slot]]:
    connection = await asyncpg.connect(dsn)
    try:
        found: dict[str, list[Slot]] = {}
        for patient, npi, start, minutes in await connection.fetch(RESERVED):
            found.setdefault(str(patient), []).append(slot_at(npi, start, minutes))
        return found
    finally:
        await connection.close()


@pytest.mark.chaos
@pytest.mark.timeout(600)
async def test_no_double_booking_while_services_are_killed(
    services: tuple[list[KillableService], RSAKey], postgres_dsn: str
) -> None:
    running, key = services
    rng = random.Random(3)
    starts = await add_calendar(postgres_dsn, running[0].url, key)
    tokens: dict[str, Mapping[str, str]] = {}

    def token_of(patient: str) -> Mapping[str, str]:
        return tokens.setdefault(patient, {"Authorization": f"Bearer {token(key, patient)}"})

    transport = RandomServiceTransport([httpx.URL(each.url) for each in running], rng)
    async with httpx.AsyncClient(transport=transport, base_url="http://any", timeout=10) as client:
        booking_clients = Clients(client, token_of, str(PLACE.id), PLACE.npi, starts, 30, rng, pause=0.2)
        began = time.monotonic()
        async with killing_services(running, rng):
            while sum(each.kills for each in running) < KILLS and time.monotonic() - began < SECONDS:
                await booking_clients.run(bookings=200, at_once=40)
    assert sum(each.kills for each in running) >= KILLS
    assert {each.outcome for each in booking_clients.operations} == {"ok", "fail", "unknown"}
    assert violations(booking_clients.operations, await final_slots(postgres_dsn)) == []
