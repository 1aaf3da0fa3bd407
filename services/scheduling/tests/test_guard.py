"""No slot is ever taken twice, whatever is killed; and a guard that doesn't guard is found out."""

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
from millrace_platform.database import Connection, Session
from millrace_platform.statements import Statements, first
from millrace_scheduling.appointment.tables import appointments
from millrace_scheduling.booking.guard import Guard
from millrace_scheduling.claim.repository import TAKE, Claim, row_of
from millrace_scheduling.claim.tables import claims
from millrace_scheduling.hold import repository as holds
from millrace_scheduling.hold.model import Held
from tests.support.booking_clients import Clients, slot_at
from tests.support.booking_history import Slot, violations
from tests.support.waiting import until

from .booking import NINE, key, patient_of, shop
from .running import Service, bearer, running, settings_for

OPENING = datetime(2026, 11, 19, 14, tzinfo=UTC)
MINUTES = 30


def starts(number: int) -> list[datetime]:
    """The first times of the Thursday."""
    return [OPENING + timedelta(minutes=MINUTES * each) for each in range(number)]


async def clients_of(service: Service, slots: int, seed: int) -> Clients:
    place = await shop(service)
    async with service.database.read() as session:
        npi = await session.scalar(select(text("npi")).select_from(text("places")))
    return Clients(
        client=service.client,
        token_of=lambda patient: bearer("patient", patient),
        place=place,
        provider=str(npi),
        starts=starts(slots),
        minutes=MINUTES,
        rng=random.Random(seed),
    )


async def taken_at_last(service: Service) -> dict[str, list[Slot]]:
    """What is taken, by patient."""
    found: dict[str, list[Slot]] = {}
    query = select(claims.c.patient_id, claims.c.npi, claims.c.start, claims.c.minutes).where(claims.c.live)
    async with service.database.read() as session:
        for patient, npi, start, minutes in await session.execute(query):
            found.setdefault(str(patient), []).append(slot_at(npi, start, minutes))
    return found


async def astray(service: Service) -> list[UUID]:
    """Standing appointments without their time, and times of appointments that don't stand."""
    standing = text("""
        SELECT coalesce(a.id, c.id) AS id
        FROM (SELECT * FROM appointments WHERE state <> 'cancelled') a
        FULL JOIN (SELECT * FROM claims WHERE live AND kind = 'appointment') c
            ON c.id = a.claim_id AND c.start = a.start
        WHERE a.id IS NULL OR c.id IS NULL
    """)
    async with service.database.transaction() as session:
        return [row.id for row in await session.execute(standing)]


async def all_told(service: Service) -> bool:
    """Whether the feed's last word about every appointment is the one that lies in the database."""
    async with service.database.read() as session:
        rows = await session.execute(select(appointments.c.id, appointments.c.version))
        expected = {f"{APPOINTMENT.name}/{identifier}": version for identifier, version in rows}
    return {subject: each.entityversion for subject, each in service.latest(APPOINTMENT.name).items()} == expected


@contextlib.asynccontextmanager
async def connections_dying(service: Service, seed: int) -> AsyncIterator[list[int]]:
    """Some of the service's connections, the relay's too, are cut over and over. Yields how many, by round."""
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
async def test_no_slot_is_taken_twice_while_connections_die(postgres_dsn: str, slots: int, bookings: int) -> None:
    async with running(settings_for(postgres_dsn)) as service:
        work = await clients_of(service, slots, seed=slots)
        async with connections_dying(service, seed=slots) as cut:
            await work.run(bookings=bookings, at_once=40)
        assert sum(cut) > 5
        assert violations(work.operations, await taken_at_last(service)) == []
        assert await astray(service) == []
        assert {each.outcome for each in work.operations} == {"ok", "fail", "unknown"}
        assert work.statuses[500] == 0, work.statuses
        await until(lambda: all_told(service), within=60)


async def check_then_insert(session: Session, claim: Claim, now: datetime) -> bool:
    """What a guard must not be: two who look at the same time both find it free."""
    if await is_taken(session, claim):
        return False
    await first(session, TAKE, *row_of(claim, now))
    return True


async def check_then_hold(
    connection: Connection, claim: Claim, answer: Sequence[object], now: datetime
) -> tuple[bool, Held]:
    """The same for holds."""
    if await is_taken(connection, claim):
        return False, Held(0, 0)
    return await holds.take(connection, claim, answer, now)


async def is_taken(session: Statements, claim: Claim) -> bool:
    """Looks, and then dawdles, so that others come between the look and the insert whatever the machine's pace."""
    looked_at = "SELECT 1 FROM claims WHERE live AND npi = $1 AND occupied && tstzrange($2, $3)"
    found = await first(session, looked_at, claim.visit.npi, claim.occupied.begin, claim.occupied.end) is not None
    for _ in range(20):
        await first(session, "SELECT 1")
    return found


async def test_without_the_guard_double_bookings_are_found(postgres_dsn: str) -> None:
    """The control: the same clients, the same checker, no guard."""
    async with running(settings_for(postgres_dsn), guard=Guard(check_then_insert, check_then_hold)) as service:
        async with service.database.transaction() as session:
            await session.execute(text("ALTER TABLE claims DROP CONSTRAINT claims_npi_occupied_excl"))
            await session.execute(text("DROP INDEX claims_place_id_start_key"))
        work = await clients_of(service, slots=14, seed=1)
        await work.run(bookings=500, at_once=40)
        found = violations(work.operations, await taken_at_last(service))
        assert any("owned by" in each for each in found)


async def test_of_five_hundred_who_want_one_slot_one_gets_it(postgres_dsn: str) -> None:
    async with running(
        settings_for(postgres_dsn, database_pool_size=40, database_timeout=60, request_timeout=120)
    ) as service:
        place = await shop(service)
        answers = await asyncio.gather(*(patient_of(service).hold(place, NINE) for _ in range(500)))
        assert sorted(answer.status_code for answer in answers) == [201, *[409] * 499]
        lost = [answer.json() for answer in answers if answer.status_code == 409]
        assert {each["type"] for each in lost} == {"urn:millrace:problem:slot-taken"}
        assert all(len(each["alternatives"]) == 5 for each in lost)
        deadlocks = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        async with service.database.transaction() as session:
            assert (await session.execute(deadlocks)).scalar_one() == 0


class CutAfterwards(httpx.AsyncBaseTransport):
    """Lets a request take place, and the connection break before its answer arrives."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._inner.handle_async_request(request)
        raise httpx.ReadError("the connection was cut", request=request)


async def test_a_hundred_repetitions_after_a_cut_connection_are_one_booking(service: Service) -> None:
    ada = patient_of(service)
    held = (await ada.hold(await shop(service), NINE)).json()
    same, body = key(), {"hold_id": held["id"]}
    transport = CutAfterwards(httpx.ASGITransport(service.app))
    async with httpx.AsyncClient(transport=transport, base_url="http://scheduling") as cut:
        with pytest.raises(httpx.ReadError):
            await cut.post("/v1/appointments", json=body, headers={**ada.headers, **same})
    one_by_one = [await ada.post("/v1/appointments", body, **same) for _ in range(20)]
    at_once = await asyncio.gather(*(ada.post("/v1/appointments", body, **same) for _ in range(80)))
    answers = [*one_by_one, *at_once]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len({(answer.headers["ETag"], answer.headers["Location"]) for answer in answers}) == 1
    listed = (await ada.get("/v1/appointments")).json()["items"]
    assert listed == [answers[0].json()]
