"""Envelopes in the outbox, the snapshot, the replay and the status page."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from millrace_contracts.envelope import decode
from millrace_contracts.registry import decode_entity, get_contract
from millrace_directory.replay import LOCK_KEY
from millrace_directory.wire import InvalidRowError
from millrace_platform.logging import json_formatter

from .running import Directory, npi, running_directory


async def _snapshot(directory: Directory) -> list[dict[str, Any]]:
    response = await directory.http.get("/internal/directory/snapshot")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(line) for line in response.text.splitlines()]


async def _replay(directory: Directory) -> dict[str, Any]:
    """Start a replay, and return its status at the end."""
    response = await directory.http.post("/internal/directory/replay")
    assert (response.status_code, response.json()["state"]) == (202, "running")
    while True:
        status: dict[str, Any] = (await directory.http.get("/internal/directory/status")).json()["replay"]
        if status["state"] != "running":
            return status


async def _create_one_of_each(directory: Directory) -> None:
    """Create one entity of each kind, and a deleted plan."""
    await directory.create_provider_location()
    for plan in ("PLAN-A", "PLAN-B"):
        await directory.create("insurance-plans", id=plan, name=plan)
    await directory.delete("insurance-plans/PLAN-B", 1)


async def test_outbox_rows_are_envelopes_of_their_contract(database_url: str) -> None:
    async with running_directory(database_url, relaying=False) as directory:
        await _create_one_of_each(directory)
        rows = await directory.database.fetch("SELECT key, version, body FROM outbox ORDER BY seq")
    envelopes = [decode(row["body"]) for row in rows]
    assert {envelope.entity for envelope in envelopes} == {
        "practice", "location", "provider", "provider-location", "insurance-plan",
    }  # fmt: skip
    for row, envelope in zip(rows, envelopes, strict=True):
        assert (row["key"], row["version"]) == (envelope.partitionkey, envelope.entityversion)
        assert envelope.partitionkey == envelope.subject
        assert envelope.source == "/services/directory"
        assert envelope.type.startswith(f"millrace.{get_contract(envelope).name}.")
        assert (decode_entity(envelope) is None) == envelope.type.endswith(".deleted")
        assert not envelope.replay


async def test_rejected_changes_publish_nothing(database_url: str) -> None:
    async with running_directory(database_url, relaying=False) as directory:
        created = await directory.create_provider_location()
        before = await directory.database.fetchval("SELECT count(*) FROM outbox")
        await directory.delete(f"practices/{created['practice_id']}", 1)
        await directory.put(f"locations/{created['location_id']}", {"address": created["address"]}, 7)
        assert await directory.database.fetchval("SELECT count(*) FROM outbox") == before
        assert (await directory.get(f"practices/{created['practice_id']}"))["version"] == 1


async def test_snapshot_contains_the_last_events_in_subject_order(directory: Directory) -> None:
    await _create_one_of_each(directory)
    for number in (3, 2):
        await directory.create_provider(number)
    lines = await _snapshot(directory)
    subjects = [line["subject"] for line in lines]
    assert subjects == sorted(subjects, key=str.encode)
    last = {envelope.subject: envelope for envelope in await directory.published()}
    assert set(subjects) == set(last)
    for line in lines:
        envelope = last[line["subject"]]
        assert (line["version"], line["data"]) == (envelope.entityversion, json.loads(bytes(envelope.data)))
    assert [line["data"] for line in lines if line["subject"] == "insurance-plan/PLAN-B"] == [None]


async def test_snapshot_is_read_in_chunks(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace_directory.snapshot.CHUNK_ROWS", 2)
    for number in range(1, 6):
        await directory.create_provider(number)
    subjects = [line["subject"] for line in await _snapshot(directory)]
    assert subjects == [f"provider/{each}" for each in sorted(npi(number) for number in range(1, 6))]


async def test_replay_publishes_all_entities_under_the_same_versions(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millrace_directory.replay.CHUNK_ROWS", 2)
    await _create_one_of_each(directory)
    for number in range(2, 7):
        await directory.create_provider(number)
    before = await directory.published()
    last = {envelope.subject: envelope for envelope in before}

    status = await _replay(directory)

    replayed = [envelope for envelope in await directory.published() if envelope.replay]
    assert len(replayed) == len(last)
    for envelope in replayed:
        original = last[envelope.subject]
        assert (envelope.entityversion, bytes(envelope.data)) == (original.entityversion, bytes(original.data))
        assert envelope.id != original.id
    assert status["state"] == "done"
    assert status["sent"] == {
        "insurance-plan": 2, "location": 1, "practice": 1, "provider-location": 1, "provider": 6,
    }  # fmt: skip
    assert (await _replay(directory))["state"] == "done"


async def test_replay_waits_for_the_outbox(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace_directory.replay.Replay._wait_for_outbox", _block)
    async with running_directory(database_url, relaying=False) as directory:
        await _create_one_of_each(directory)
        before = await directory.database.fetchval("SELECT count(*) FROM outbox")
        await directory.http.post("/internal/directory/replay")
        second = await directory.http.post("/internal/directory/replay")
        assert second.status_code == 409
        assert await directory.database.fetchval("SELECT count(*) FROM outbox") == before


async def _block(_replay: object) -> None:
    await asyncio.Event().wait()


async def test_only_one_replay_runs_over_all_instances(directory: Directory, database_url: str) -> None:
    other_instance = await asyncpg.connect(database_url)
    await other_instance.fetchval("SELECT pg_advisory_lock($1)", LOCK_KEY)
    response = await directory.http.post("/internal/directory/replay")
    assert response.status_code == 409
    await other_instance.close()
    assert (await _replay(directory))["state"] == "done"


async def test_failed_replay_is_reported_and_can_be_repeated(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _create_one_of_each(directory)
    with monkeypatch.context() as patch:
        patch.setattr("millrace_directory.replay.events_of", _fail)
        assert (await _replay(directory))["state"] == "failed"
    assert (await _replay(directory))["state"] == "done"
    assert (await directory.http.get("/readyz")).status_code == 200


def _fail(*_: object) -> None:
    raise OSError("connection lost")


@pytest.mark.parametrize(
    ("path", "change", "place"),
    [
        (f"providers/{npi(1)}", "UPDATE provider SET sex = 'QQ'", f"provider {npi(1)}, `$.sex`"),
        ("insurance-plans/PLAN-A", "UPDATE insurance_plan SET years = '{NULL}'", "insurance_plan PLAN-A, `$.years[0]`"),
    ],
)
async def test_invalid_row_fails_only_its_own_requests_and_is_named_in_the_log(
    directory: Directory, caplog: pytest.LogCaptureFixture, path: str, change: str, place: str
) -> None:
    await _create_one_of_each(directory)
    collection, _, key = path.partition("/")
    await directory.database.execute(change)
    created = await directory.create_provider(2)
    await directory.create("insurance-plans", id="PLAN-C", name="C")

    headers = {"If-Match": "*"}
    for method, body in (("GET", None), ("PATCH", {"credential": "MD"}), ("DELETE", None)):
        response = await directory.http.request(method, f"/v1/directory/{path}", json=body, headers=headers)
        assert (response.status_code, response.json()["type"]) == (500, "urn:millrace:problem:internal")
        assert key not in response.text
    assert await directory.get(f"providers/{npi(2)}") == created
    assert (await directory.get("insurance-plans/PLAN-C"))["name"] == "C"
    assert [item["version"] for item in (await directory.get("locations"))["items"]] == [1]
    assert (await directory.http.get(f"/v1/directory/{collection}")).status_code == 500, "a list isn't shown in part"

    assert (await _replay(directory))["state"] == "failed"
    with pytest.raises(InvalidRowError):
        await directory.http.get("/internal/directory/snapshot")
    lines = [json_formatter("directory").format(record) for record in caplog.records if record.exc_info]
    assert len(lines) == 6
    for line in lines:
        assert f"Invalid value in the database ({place})" in line
        assert not any(value in line for value in ("QQ", "Ruiz", "Maria"))


async def test_status_shows_the_outbox_backlog(database_url: str) -> None:
    async with running_directory(database_url, relaying=False) as directory:
        await directory.create_provider()
        status = (await directory.http.get("/internal/directory/status")).json()
        assert status["outbox"]["backlog"] == 1
        assert status["outbox"]["oldest_age_ms"] >= 0
    async with running_directory(database_url) as directory:
        await directory.published()
        status = (await directory.http.get("/internal/directory/status")).json()
        assert (status["outbox"], status["relay"]["published"]) == ({"backlog": 0, "oldest_age_ms": None}, 1)
