"""A request with a key takes effect once, whoever repeats it and whenever."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from millrace_feeds.outbox import OUTBOX_DDL
from millrace_platform.database import open_database
from millrace_platform.errors import Conflict, Problem
from millrace_platform.idempotency import (
    IDEMPOTENCY_DDL,
    LIFETIME,
    Answer,
    IdempotencyKey,
    InIdempotencyKey,
    at_once,
    beside_kept,
    fingerprint,
    forget,
    keeping,
    kept_row,
    once,
    sweep,
)
from millrace_platform.ids import Uuid7
from millrace_platform.problems import install_problem_handlers
from millrace_platform.testing import ManualClock
from millrace_platform.unit_of_work import Envelopes, UnitOfWork, UnitsOfWork

from .test_unit_of_work import BEGINNING

OWNER, OTHER = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
KEY = IdempotencyKey("k", fingerprint("POST", "/things", b"{}"))


@pytest.fixture
async def units(postgres_dsn: str) -> AsyncIterator[UnitsOfWork]:
    clock = ManualClock(BEGINNING)
    async with open_database(postgres_dsn, name="test", pool_size=12, seconds=5) as database:
        async with database.transaction() as session:
            driver = session.driver
            await driver.execute(f"{OUTBOX_DDL}; {IDEMPOTENCY_DDL}; CREATE TABLE thing (id serial)")
        yield UnitsOfWork(database, Envelopes("/services/sample", clock, Uuid7(clock)))


async def things(units: UnitsOfWork) -> int:
    async with units.database.transaction() as session:
        return int((await session.execute(text("SELECT count(*) FROM thing"))).scalar_one())


async def make(work: UnitOfWork) -> Answer:
    made = (await work.session.execute(text("INSERT INTO thing DEFAULT VALUES RETURNING id"))).scalar_one()
    return Answer(201, f'{{"id": {made}}}'.encode(), {"Location": f"/things/{made}"})


def asking(units: UnitsOfWork, effect: Callable[[UnitOfWork], Awaitable[Answer]] = make) -> Awaitable[Answer]:
    return once(units.begin, OWNER, KEY, NOW, effect)


async def test_a_repetition_is_answered_with_the_same_bytes(units: UnitsOfWork) -> None:
    first = await asking(units)
    assert [await asking(units) for _ in range(5)] == [first] * 5
    assert first.response().headers["Location"] == "/things/1"
    assert await things(units) == 1


async def test_a_key_belongs_to_its_owner(units: UnitsOfWork) -> None:
    await asking(units)
    await once(units.begin, OTHER, KEY, NOW, make)
    assert await things(units) == 2


async def test_another_request_under_the_key_is_refused(units: UnitsOfWork) -> None:
    await asking(units)
    other = IdempotencyKey("k", fingerprint("POST", "/things", b"[]"))
    with pytest.raises(Problem) as caught:
        await once(units.begin, OWNER, other, NOW, make)
    assert (caught.value.status, caught.value.errors[0]["field"]) == (422, "Idempotency-Key")


async def test_while_it_runs_a_repetition_is_told_so_and_doesnt_wait(units: UnitsOfWork) -> None:
    entered, go = asyncio.Event(), asyncio.Event()

    async def slow(work: UnitOfWork) -> Answer:
        entered.set()
        await go.wait()
        return await make(work)

    running = asyncio.create_task(once(units.begin, OWNER, KEY, NOW, slow))
    await entered.wait()
    with pytest.raises(Problem) as caught:
        await asking(units)
    assert caught.value.status == 409
    go.set()
    assert await running == await asking(units)


async def test_of_many_at_once_one_takes_effect(units: UnitsOfWork) -> None:
    for number in range(20):
        key = IdempotencyKey(f"k{number}", b"same")
        tasks = [once(units.begin, OWNER, key, NOW, make) for _ in range(10)]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        answers = {each.body for each in outcomes if isinstance(each, Answer)}
        assert len(answers) == 1
        assert all(each.status == 409 for each in outcomes if isinstance(each, Problem))
    assert await things(units) == 20


async def test_what_was_refused_is_judged_anew(units: UnitsOfWork) -> None:
    async def refuse(work: UnitOfWork) -> Answer:
        await make(work)
        raise Conflict("Not now.")

    with pytest.raises(Conflict):
        await asking(units, refuse)
    assert await things(units) == 0
    assert (await asking(units)).status == 201


LOOK = beside_kept("SELECT count(*) AS things FROM thing WHERE id < $3")
MAKE = f"""
WITH made AS (INSERT INTO thing (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id), {keeping("made", 2)}
SELECT id FROM made
"""  # noqa: S608 # constants


def asking_at_once(units: UnitsOfWork, key: IdempotencyKey = KEY, thing: int = 1) -> Awaitable[Answer]:
    """Makes the thing, by one statement; a thing that is there already is a 409."""

    async def asking() -> Answer:
        async with units.database.connection() as connection:

            async def look() -> Any:
                (row,) = await connection.driver.fetch(LOOK, OWNER, key.key, 100)
                return row

            async def act(found: Any) -> Answer:
                answer = Answer(201, f'{{"before": {found["things"]}}}'.encode())
                if not await connection.driver.fetch(MAKE, thing, *kept_row(OWNER, key, NOW, answer)):
                    raise Conflict("It is there.")
                return answer

            return await at_once(key, look, act)

    return asking()


@pytest.fixture
async def unique(units: UnitsOfWork) -> None:
    async with units.begin() as work:
        await work.session.execute(text("ALTER TABLE thing ADD PRIMARY KEY (id)"))


@pytest.mark.usefixtures("unique")
async def test_what_is_one_statement_takes_effect_once_too(units: UnitsOfWork) -> None:
    first = await asking_at_once(units)
    assert first.body == b'{"before": 0}'
    assert [await asking_at_once(units) for _ in range(5)] == [first] * 5
    with pytest.raises(Conflict):
        await asking_at_once(units, IdempotencyKey("other", KEY.fingerprint))
    with pytest.raises(Problem) as caught:
        await asking_at_once(units, IdempotencyKey(KEY.key, b"other"))
    assert caught.value.status == 422
    assert await things(units) == 1


@pytest.mark.usefixtures("unique")
async def test_of_many_at_once_all_get_the_answer_of_one_statement(units: UnitsOfWork) -> None:
    """Whether a repetition meets the other at its effect (the same thing) or at its key (another one)."""
    for number in range(20):
        key = IdempotencyKey(f"k{number}", b"same")
        of_one = [asking_at_once(units, key, thing=number) for _ in range(6)]
        of_another = [asking_at_once(units, key, thing=50 + number) for _ in range(6)]
        assert len({answer.body for answer in await asyncio.gather(*of_one, *of_another)}) == 1
    assert await things(units) == 20


async def test_answers_are_kept_for_a_day_or_until_they_are_to_be_forgotten(units: UnitsOfWork) -> None:
    await asking(units)
    await once(units.begin, OTHER, KEY, NOW, make)
    async with units.begin() as work:
        assert await sweep(work.session, NOW + LIFETIME) == 0
        await forget(work.session, OTHER)
        assert await sweep(work.session, NOW + LIFETIME + timedelta(seconds=1)) == 1


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_problem_handlers(app)

    @app.post("/things")
    async def post(key: InIdempotencyKey, body: dict[str, int]) -> list[str]:
        return [key.key, key.fingerprint.hex(), str(body)]

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sample") as opened:
        yield opened


@pytest.mark.parametrize("key", ["8e03978e-40d5-43dd-bc93-6894a57f9324", '"8e03978e-40d5-43dd-bc93-6894a57f9324"'])
async def test_a_key_is_read_with_and_without_quotes(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.post("/things", json={"a": 1}, headers={"Idempotency-Key": key})
    assert answer.json()[0] == key.strip('"')


async def test_the_fingerprint_is_that_of_the_target_and_the_body(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    answers = [
        await client.post(path, json=body, headers=headers)
        for path, body in [("/things", {"a": 1}), ("/things", {"a": 2}), ("/things?x", {"a": 1}), ("/things", {"a": 1})]
    ]
    marks = [answer.json()[1] for answer in answers]
    assert marks[0] == marks[3]
    assert len(set(marks)) == 3


@pytest.mark.parametrize(
    "headers", [{}, {"Idempotency-Key": ""}, {"Idempotency-Key": "x" * 256}, {"Idempotency-Key": '"'}]
)
async def test_without_a_key_that_can_be_read_it_is_a_400(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.post("/things", json={"a": 1}, headers=headers)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
