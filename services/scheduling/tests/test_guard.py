"""No double bookings while connections are cut; a control without the guard shows that they would be detected."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text

from millrace_contracts.registry import APPOINTMENT
from millrace_feeds.testing import wait_until
from millrace_platform.database import Connection, Session
from millrace_platform.statements import Statements, fetch_first
from millrace_scheduling.appointment.tables import appointments
from millrace_scheduling.hold import repository as holds
from millrace_scheduling.hold.model import Usage
from millrace_scheduling.hold.repository import HoldAttempt, ReservationGuard
from millrace_scheduling.reservation.model import Reservation
from millrace_scheduling.reservation.repository import RESERVE, reservation_values
from millrace_scheduling.reservation.tables import reservations
from millrace_scheduling.visit_limits import VisitLimits

from .booking import NINE, bookable_location, key, new_patient
from .booking_clients import Clients, slot_at
from .booking_history import Slot, violations
from .running import Service, bearer, running, settings_for

OPENING = datetime(2026, 11, 19, 14, tzinfo=UTC)
MINUTES = 30


def starts(number: int) -> list[datetime]:
    """Return the first `number` starts on Thursday."""
    return [OPENING + timedelta(minutes=MINUTES * each) for each in range(number)]


async def clients_of(service: Service, slots: int, seed: int) -> Clients:
    location = await bookable_location(service)
    async with service.database.read() as session:
        npi = await session.scalar(select(text("npi")).select_from(text("provider_locations")))
    return Clients(
        client=service.client,
        token_of=lambda patient: bearer("patient", patient),
        location=location,
        provider=str(npi),
        starts=starts(slots),
        minutes=MINUTES,
        rng=random.Random(seed),
    )


async def final_slots(service: Service) -> dict[str, list[Slot]]:
    """Return the reserved slots by patient."""
    found: dict[str, list[Slot]] = {}
    columns = [reservations.c[name] for name in ("patient_id", "npi", "start", "minutes")]
    query = select(*columns).where(~reservations.c.is_released)
    async with service.database.read() as session:
        for patient, npi, start, minutes in await session.execute(query):
            found.setdefault(str(patient), []).append(slot_at(npi, start, minutes))
    return found


async def inconsistent_ids(service: Service) -> list[UUID]:
    """Return appointments without reserved time, and reserved times without their appointment."""
    query = text("""
        SELECT coalesce(a.id, c.id) AS id
        FROM (SELECT * FROM appointments WHERE state <> 'cancelled') a
        FULL JOIN (SELECT * FROM reservations WHERE NOT is_released AND kind = 'appointment') c
            ON c.id = a.reservation_id AND c.start = a.start
        WHERE a.id IS NULL OR c.id IS NULL
    """)
    async with service.database.transaction() as session:
        return [row.id for row in await session.execute(query)]


async def is_all_published(service: Service) -> bool:
    """Return whether the latest event of each appointment has the version in the database."""
    async with service.database.read() as session:
        rows = await session.execute(select(appointments.c.id, appointments.c.version))
        expected = {f"{APPOINTMENT.name}/{identifier}": version for identifier, version in rows}
    return {subject: each.entityversion for subject, each in service.latest(APPOINTMENT.name).items()} == expected


@contextlib.asynccontextmanager
async def cutting_connections(service: Service, seed: int) -> AsyncIterator[list[int]]:
    """Cut random database connections of the service and its relay repeatedly; yield how many each time."""
    rng, cut = random.Random(seed), [0]
    victims = text("""
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name IN ('scheduling', 'millrace-relay') AND random() < 0.15
    """)

    async def cutting() -> None:
        while True:
            await asyncio.sleep(rng.uniform(0.05, 0.15))
            async with service.database.transaction() as session:
                cut.append((await session.execute(victims)).scalar_one())

    task = asyncio.create_task(cutting())
    try:
        yield cut
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(
    ("slots", "bookings"),
    [
        pytest.param(1, 100, id="one-slot"),
        pytest.param(12, 100, id="many-slots"),
        pytest.param(14, 3_000, id="long", marks=[pytest.mark.chaos, pytest.mark.timeout(900)]),
    ],
)
async def test_no_double_booking_while_connections_are_cut(postgres_dsn: str, slots: int, bookings: int) -> None:
    async with running(settings_for(postgres_dsn)) as service:
        clients = await clients_of(service, slots, seed=slots)
        async with cutting_connections(service, seed=slots) as cut:
            await clients.run(bookings=bookings, at_once=40)
            while sum(cut) <= 5:
                await clients.run(bookings=bookings, at_once=40)
        assert violations(clients.operations, await final_slots(service)) == []
        assert await inconsistent_ids(service) == []
        assert {each.outcome for each in clients.operations} == {"ok", "fail", "unknown"}
        assert clients.statuses[500] == 0, clients.statuses
        await wait_until(lambda: is_all_published(service), within=60)


async def check_then_insert(session: Session, reservation: Reservation, now: datetime) -> bool:
    """Reserve time without protection: two concurrent requests both find it free."""
    if await is_occupied(session, reservation):
        return False
    await fetch_first(session, *RESERVE.bind(**reservation_values(reservation, now)))
    return True


async def check_then_hold(
    connection: Connection,
    reservation: Reservation,
    limits: VisitLimits,
    idempotency_record: Sequence[object],
    now: datetime,
) -> HoldAttempt:
    """Reserve the time of a hold without protection."""
    if await is_occupied(connection, reservation):
        return HoldAttempt(is_reserved=False, usage=Usage(0, 0))
    return await holds.reserve_hold(connection, reservation, limits, idempotency_record, now)


async def is_occupied(session: Statements, reservation: Reservation) -> bool:
    """Check for overlaps, then wait, so that other requests always come between the check and the insert."""
    overlap = "SELECT 1 FROM reservations WHERE NOT is_released AND npi = $1 AND occupied && tstzrange($2, $3)"
    found = (
        await fetch_first(session, overlap, reservation.visit.npi, reservation.occupied.begin, reservation.occupied.end)
        is not None
    )
    for _ in range(20):
        await fetch_first(session, "SELECT 1")
    return found


async def test_double_bookings_are_detected_without_the_guard(postgres_dsn: str) -> None:
    """Control with the same clients and the same checker."""
    async with running(
        settings_for(postgres_dsn), guard=ReservationGuard(check_then_insert, check_then_hold)
    ) as service:
        async with service.database.transaction() as session:
            await session.execute(text("ALTER TABLE reservations DROP CONSTRAINT reservations_npi_occupied_excl"))
            await session.execute(text("DROP INDEX reservations_provider_location_id_start_key"))
        clients = await clients_of(service, slots=14, seed=1)
        await clients.run(bookings=500, at_once=40)
        found = violations(clients.operations, await final_slots(service))
        assert any("owned by" in each for each in found)


async def test_one_of_500_concurrent_holds_of_a_slot_succeeds(postgres_dsn: str) -> None:
    async with running(
        settings_for(postgres_dsn, database_pool_size=40, database_timeout=60, request_timeout=120)
    ) as service:
        location = await bookable_location(service)
        responses = await asyncio.gather(*(new_patient(service).hold(location, NINE) for _ in range(500)))
        assert sorted(response.status_code for response in responses) == [201, *[409] * 499]
        lost = [response.json() for response in responses if response.status_code == 409]
        assert {each["type"] for each in lost} == {"urn:millrace:problem:slot-taken"}
        assert all(len(each["alternatives"]) == 5 for each in lost)
        deadlocks = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        async with service.database.transaction() as session:
            assert (await session.execute(deadlocks)).scalar_one() == 0


class CutConnectionTransport(httpx.AsyncBaseTransport):
    """Executes each request, but breaks the connection before the response arrives."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._inner.handle_async_request(request)
        raise httpx.ReadError("the connection was cut", request=request)


async def test_100_repetitions_after_a_cut_connection_make_one_booking(service: Service) -> None:
    ada = new_patient(service)
    held = (await ada.hold(await bookable_location(service), NINE)).json()
    same, body = key(), {"hold_id": held["id"]}
    transport = CutConnectionTransport(httpx.ASGITransport(service.app))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as cut:
        with pytest.raises(httpx.ReadError):
            await cut.post("/v1/appointments", json=body, headers={**ada.headers, **same})
    one_by_one = [await ada.post("/v1/appointments", body, **same) for _ in range(20)]
    at_once = await asyncio.gather(*(ada.post("/v1/appointments", body, **same) for _ in range(80)))
    responses = [*one_by_one, *at_once]
    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    assert len({(response.headers["ETag"], response.headers["Location"]) for response in responses}) == 1
    listed = (await ada.get("/v1/appointments")).json()["items"]
    assert listed == [responses[0].json()]
