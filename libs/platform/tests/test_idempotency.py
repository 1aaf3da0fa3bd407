"""Idempotency keys: a request with a key takes effect once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter
from sqlalchemy import text

from millrace_feeds.outbox import OUTBOX_DDL
from millrace_platform.database import open_database
from millrace_platform.errors import Conflict, Problem
from millrace_platform.idempotency import (
    IDEMPOTENCY_DDL,
    RETENTION,
    IdempotencyKey,
    InIdempotencyKey,
    StoredResponse,
    delete_expired,
    delete_owner_records,
    execute_once,
    execute_statement_once,
    fingerprint,
    insert_record_cte,
    record_values,
    select_record_or,
)
from millrace_platform.ids import Uuid7
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


async def count_things(units: UnitsOfWork) -> int:
    async with units.database.transaction() as session:
        return int((await session.execute(text("SELECT count(*) FROM thing"))).scalar_one())


async def create_thing(work: UnitOfWork) -> StoredResponse:
    thing_id = (await work.session.execute(text("INSERT INTO thing DEFAULT VALUES RETURNING id"))).scalar_one()
    return StoredResponse(201, f'{{"id": {thing_id}}}'.encode(), {"Location": f"/things/{thing_id}"})


def post(
    units: UnitsOfWork, effect: Callable[[UnitOfWork], Awaitable[StoredResponse]] = create_thing
) -> Awaitable[StoredResponse]:
    return execute_once(units.begin, OWNER, KEY, NOW, effect)


async def test_repetition_gets_same_bytes(units: UnitsOfWork) -> None:
    first = await post(units)
    assert [await post(units) for _ in range(5)] == [first] * 5
    assert first.response().headers["Location"] == "/things/1"
    assert await count_things(units) == 1


async def test_keys_of_owners_are_separate(units: UnitsOfWork) -> None:
    await post(units)
    await execute_once(units.begin, OTHER, KEY, NOW, create_thing)
    assert await count_things(units) == 2


async def test_key_of_different_request_is_rejected(units: UnitsOfWork) -> None:
    await post(units)
    other = IdempotencyKey("k", fingerprint("POST", "/things", b"[]"))
    with pytest.raises(Problem) as caught:
        await execute_once(units.begin, OWNER, other, NOW, create_thing)
    assert (caught.value.status, caught.value.errors[0]["field"]) == (422, "Idempotency-Key")


async def test_repetition_of_running_request_is_conflict(units: UnitsOfWork) -> None:
    entered, go = asyncio.Event(), asyncio.Event()

    async def slow(work: UnitOfWork) -> StoredResponse:
        entered.set()
        await go.wait()
        return await create_thing(work)

    running = asyncio.create_task(execute_once(units.begin, OWNER, KEY, NOW, slow))
    await entered.wait()
    with pytest.raises(Problem) as caught:
        await post(units)
    assert caught.value.status == 409
    go.set()
    assert await running == await post(units)


async def test_one_of_concurrent_requests_takes_effect(units: UnitsOfWork) -> None:
    for number in range(20):
        key = IdempotencyKey(f"k{number}", b"same")
        tasks = [execute_once(units.begin, OWNER, key, NOW, create_thing) for _ in range(10)]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        bodies = {each.body for each in outcomes if isinstance(each, StoredResponse)}
        assert len(bodies) == 1
        assert all(each.status == 409 for each in outcomes if isinstance(each, Problem))
    assert await count_things(units) == 20


async def test_rejected_request_runs_again(units: UnitsOfWork) -> None:
    async def refuse(work: UnitOfWork) -> StoredResponse:
        await create_thing(work)
        raise Conflict("Not now.")

    with pytest.raises(Conflict):
        await post(units, refuse)
    assert await count_things(units) == 0
    assert (await post(units)).status == 201


LOOK_UP = select_record_or("SELECT count(*) AS things FROM thing WHERE id < $3")
CREATE = f"""
WITH made AS (INSERT INTO thing (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id), {insert_record_cte("made", 2)}
SELECT id FROM made
"""  # noqa: S608 # constants


def post_in_statement(units: UnitsOfWork, key: IdempotencyKey = KEY, thing: int = 1) -> Awaitable[StoredResponse]:
    """Create the thing by one statement; raise a conflict if it exists."""

    async def run() -> StoredResponse:
        async with units.database.connection() as connection:

            async def look_up() -> Any:
                (row,) = await connection.driver.fetch(LOOK_UP, OWNER, key.key, 100)
                return row

            async def act(row: Any) -> StoredResponse:
                response = StoredResponse(201, f'{{"before": {row["things"]}}}'.encode())
                if not await connection.driver.fetch(CREATE, thing, *record_values(OWNER, key, NOW, response)):
                    raise Conflict("The thing exists.")
                return response

            return await execute_statement_once(key, look_up, act)

    return run()


@pytest.fixture
async def unique(units: UnitsOfWork) -> None:
    async with units.begin() as work:
        await work.session.execute(text("ALTER TABLE thing ADD PRIMARY KEY (id)"))


@pytest.mark.usefixtures("unique")
async def test_statement_takes_effect_once(units: UnitsOfWork) -> None:
    first = await post_in_statement(units)
    assert first.body == b'{"before": 0}'
    assert [await post_in_statement(units) for _ in range(5)] == [first] * 5
    with pytest.raises(Conflict):
        await post_in_statement(units, IdempotencyKey("other", KEY.fingerprint))
    with pytest.raises(Problem) as caught:
        await post_in_statement(units, IdempotencyKey(KEY.key, b"other"))
    assert caught.value.status == 422
    assert await count_things(units) == 1


@pytest.mark.usefixtures("unique")
async def test_concurrent_statements_get_same_response(units: UnitsOfWork) -> None:
    """Requests conflict in their effect (same thing) or in their key (another thing)."""
    for number in range(20):
        key = IdempotencyKey(f"k{number}", b"same")
        of_one = [post_in_statement(units, key, thing=number) for _ in range(6)]
        of_another = [post_in_statement(units, key, thing=50 + number) for _ in range(6)]
        assert len({response.body for response in await asyncio.gather(*of_one, *of_another)}) == 1
    assert await count_things(units) == 20


async def test_records_are_deleted_after_retention_or_for_owner(units: UnitsOfWork) -> None:
    await post(units)
    await execute_once(units.begin, OTHER, KEY, NOW, create_thing)
    async with units.begin() as work:
        assert await delete_expired(work.session, NOW + RETENTION) == 0
        await delete_owner_records(work.session, OTHER)
        assert await delete_expired(work.session, NOW + RETENTION + timedelta(seconds=1)) == 1


router = APIRouter()


@router.post("/things")
async def post_thing(key: InIdempotencyKey, body: dict[str, int]) -> list[str]:
    return [key.key, key.fingerprint.hex(), str(body)]


@pytest.mark.parametrize("key", ["8e03978e-40d5-43dd-bc93-6894a57f9324", '"8e03978e-40d5-43dd-bc93-6894a57f9324"'])
async def test_quotes_of_key_are_optional(router_client: httpx.AsyncClient, key: str) -> None:
    response = await router_client.post("/things", json={"a": 1}, headers={"Idempotency-Key": key})
    assert response.json()[0] == key.strip('"')


async def test_fingerprint_covers_target_and_body(router_client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    responses = [
        await router_client.post(path, json=body, headers=headers)
        for path, body in [("/things", {"a": 1}), ("/things", {"a": 2}), ("/things?x", {"a": 1}), ("/things", {"a": 1})]
    ]
    fingerprints = [response.json()[1] for response in responses]
    assert fingerprints[0] == fingerprints[3]
    assert len(set(fingerprints)) == 3


@pytest.mark.parametrize(
    "headers", [{}, {"Idempotency-Key": ""}, {"Idempotency-Key": "x" * 256}, {"Idempotency-Key": '"'}]
)
async def test_missing_or_invalid_key_is_bad_request(router_client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    response = await router_client.post("/things", json={"a": 1}, headers=headers)
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["errors"][0]["field"] == "Idempotency-Key"
