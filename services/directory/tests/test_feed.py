"""What the directory tells the feed, and what it hands out whole: envelopes, snapshot, replay."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from millrace_contracts.envelope import decode
from millrace_contracts.registry import contract_of, entity_of
from millrace_directory.replay import LOCK_KEY

from .running import Directory, npi, running_directory


async def _snapshot(directory: Directory) -> list[dict[str, Any]]:
    answer = await directory.http.get("/internal/directory/snapshot")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


async def _replayed(directory: Directory) -> dict[str, Any]:
    """Start a replay and wait for its end."""
    answer = await directory.http.post("/internal/directory/replay")
    assert (answer.status_code, answer.json()["state"]) == (202, "running")
    while True:
        status: dict[str, Any] = (await directory.http.get("/internal/directory/status")).json()["replay"]
        if status["state"] != "running":
            return status


async def _world(directory: Directory) -> None:
    """One of each entity, and a deleted plan."""
    await directory.place()
    for plan in ("PLAN-A", "PLAN-B"):
        await directory.create("insurance-plans", id=plan, name=plan)
    await directory.delete("insurance-plans/PLAN-B", 1)


async def test_every_outbox_row_is_an_envelope_of_its_contract(database_url: str) -> None:
    async with running_directory(database_url, relaying=False) as directory:
        await _world(directory)
        rows = await directory.database.fetch("SELECT key, version, body FROM outbox ORDER BY seq")
    envelopes = [decode(row["body"]) for row in rows]
    assert {envelope.entity for envelope in envelopes} == {
        "practice", "location", "provider", "provider-location", "insurance-plan",
    }  # fmt: skip
    for row, envelope in zip(rows, envelopes, strict=True):
        assert (row["key"], row["version"]) == (envelope.partitionkey, envelope.entityversion)
        assert envelope.partitionkey == envelope.subject
        assert envelope.source == "/services/directory"
        assert envelope.type.startswith(f"millrace.{contract_of(envelope).name}.")
        assert (entity_of(envelope) is None) == envelope.type.endswith(".deleted")
        assert not envelope.replay


async def test_a_refused_change_tells_nothing(database_url: str) -> None:
    async with running_directory(database_url, relaying=False) as directory:
        place = await directory.place()
        before = await directory.database.fetchval("SELECT count(*) FROM outbox")
        await directory.delete(f"practices/{place['practice_id']}", 1)
        await directory.put(f"locations/{place['location_id']}", {"address": place["address"]}, 7)
        assert await directory.database.fetchval("SELECT count(*) FROM outbox") == before
        assert (await directory.get(f"practices/{place['practice_id']}"))["version"] == 1


async def test_the_snapshot_holds_the_last_word_of_the_feed_in_subject_order(directory: Directory) -> None:
    await _world(directory)
    for number in (3, 2):
        await directory.create_provider(number)
    lines = await _snapshot(directory)
    subjects = [line["subject"] for line in lines]
    assert subjects == sorted(subjects, key=str.encode)
    last = {envelope.subject: envelope for envelope in await directory.told()}
    assert set(subjects) == set(last)
    for line in lines:
        envelope = last[line["subject"]]
        assert (line["version"], line["data"]) == (envelope.entityversion, json.loads(bytes(envelope.data)))
    assert [line["data"] for line in lines if line["subject"] == "insurance-plan/PLAN-B"] == [None]


async def test_the_snapshot_comes_in_parts(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace_directory.snapshot.ROWS", 2)
    for number in range(1, 6):
        await directory.create_provider(number)
    subjects = [line["subject"] for line in await _snapshot(directory)]
    assert subjects == [f"provider/{one}" for one in sorted(npi(number) for number in range(1, 6))]


async def test_a_replay_tells_everything_again_under_the_same_versions(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millrace_directory.replay.CHUNK", 2)
    await _world(directory)
    for number in range(2, 7):
        await directory.create_provider(number)
    before = await directory.told()
    last = {envelope.subject: envelope for envelope in before}

    status = await _replayed(directory)

    replayed = [envelope for envelope in await directory.told() if envelope.replay]
    assert len(replayed) == len(last)
    for envelope in replayed:
        known = last[envelope.subject]
        assert (envelope.entityversion, bytes(envelope.data)) == (known.entityversion, bytes(known.data))
        assert envelope.id != known.id
    assert status["state"] == "done"
    assert status["sent"] == {
        "insurance-plan": 2, "location": 1, "practice": 1, "provider-location": 1, "provider": 6,
    }  # fmt: skip
    assert (await _replayed(directory))["state"] == "done"


async def test_a_replay_waits_for_the_outbox(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace_directory.replay.Replay._room", _full)
    async with running_directory(database_url, relaying=False) as directory:
        await _world(directory)
        before = await directory.database.fetchval("SELECT count(*) FROM outbox")
        await directory.http.post("/internal/directory/replay")
        second = await directory.http.post("/internal/directory/replay")
        assert second.status_code == 409
        assert await directory.database.fetchval("SELECT count(*) FROM outbox") == before


async def _full(_replay: object) -> None:
    await asyncio.Event().wait()


async def test_one_replay_runs_at_a_time_among_all_instances(directory: Directory, database_url: str) -> None:
    elsewhere = await asyncpg.connect(database_url)
    await elsewhere.fetchval("SELECT pg_advisory_lock($1)", LOCK_KEY)
    refused = await directory.http.post("/internal/directory/replay")
    assert refused.status_code == 409
    await elsewhere.close()
    assert (await _replayed(directory))["state"] == "done"


async def test_a_replay_that_fails_says_so_and_the_next_one_runs(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _world(directory)
    with monkeypatch.context() as patch:
        patch.setattr("millrace_directory.replay.events_of", _broken)
        assert (await _replayed(directory))["state"] == "failed"
    assert (await _replayed(directory))["state"] == "done"
    assert (await directory.http.get("/readyz")).status_code == 200


def _broken(*_: object) -> None:
    raise OSError("connection lost")


async def test_the_status_page_shows_what_waits(database_url: str) -> None:
    async with running_directory(database_url, relaying=False) as directory:
        await directory.create_provider()
        status = (await directory.http.get("/internal/directory/status")).json()
        assert status["outbox"]["backlog"] == 1
        assert status["outbox"]["oldest_age_ms"] >= 0
    async with running_directory(database_url) as directory:
        await directory.told()
        status = (await directory.http.get("/internal/directory/status")).json()
        assert (status["outbox"], status["relay"]["published"]) == ({"backlog": 0, "oldest_age_ms": None}, 1)
