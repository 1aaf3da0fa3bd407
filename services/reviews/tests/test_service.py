"""The service as deployed: emulated Kinesis and DynamoDB, the `millrace init` entry point, and its OpenAPI document."""

import json
import re
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from millrace_contracts.entities import ReviewSummary
from millrace_contracts.envelope import decode
from millrace_contracts.registry import APPOINTMENT, decode_entity
from millrace_feeds.aws import dynamodb_client, kinesis_client
from millrace_feeds.provision import create_dead_letters_table, create_stream
from millrace_feeds.testing import wait_until
from millrace_feeds.transport import TRIM_HORIZON, Record
from millrace_feeds.wiring import open_publisher, open_transport
from millrace_platform.ids import Uuid7
from millrace_platform.service import Infrastructure
from millrace_platform.testing import ManualClock, open_test_verifier, run_app
from millrace_reviews.main import create
from millrace_reviews.settings import ReviewsSettings

from .running import NPI, STARS, appointment_of, caller_of, envelope

VARIABLES = {
    "entities": "ENTITIES_STREAM",
    "changes": "CHANGES_STREAM",
    "reviews-leases": "REVIEWS_LEASES_TABLE",
    "dead-letters": "DEAD_LETTERS_TABLE",
}


@pytest.fixture
async def settings(
    aws_endpoint: str,
    postgres_dsn: str,
    unique_name: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> ReviewsSettings:
    """Prepare the resources twice with `millrace init`, which must be idempotent; return the settings."""
    monkeypatch.setenv("MILLRACE_REVIEWS_DATABASE_URL", postgres_dsn)
    for name, variable in VARIABLES.items():
        monkeypatch.setenv(f"MILLRACE_{variable}", unique_name(name))
    monkeypatch.setenv("MILLRACE_AUDIT_KEY_FILE", str(tmp_path / "audit-key"))
    settings = ReviewsSettings()
    async with kinesis_client() as kinesis, dynamodb_client() as dynamodb:
        for stream in (settings.entities_stream, settings.changes_stream):
            await create_stream(kinesis, stream, 1)
        await create_dead_letters_table(dynamodb, settings.dead_letters_table)
    (init,) = entry_points(group="millrace.init", name="reviews")
    for _ in range(2):
        await init.load()()
    return settings


def test_openapi_document_has_no_dangling_references() -> None:
    described = create(ReviewsSettings()).openapi()
    parts = described["components"]["schemas"].keys()
    assert set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(described))) <= parts
    assert not re.search(r'"#/\$defs/', json.dumps(described))


async def test_visit_event_leads_to_a_review_and_a_summary_event(settings: ReviewsSettings) -> None:
    clock = ManualClock()
    app = create(settings, Infrastructure(clock, Uuid7(clock), open_verifier=open_test_verifier))
    ada = caller_of(settings)
    visit = appointment_of(ada.id, clock)
    async with run_app(app) as client, open_publisher(settings.entities_stream) as publisher:
        await publisher.publish([decode(envelope(APPOINTMENT, visit, 1, False, clock.now))])
        body = {"appointment_id": visit.id, **STARS}

        async def is_review_created() -> bool:
            return (await client.post("/v1/reviews", json=body, headers=ada.headers)).status_code == 201

        async def is_summary_published() -> bool:
            return len(await read_changes(settings)) == 1

        async def is_visit_counted() -> bool:
            status = (await client.get("/internal/reviews/status")).json()
            return (status["consumer"]["handled"], status["reviews"]["published"]) == (1, 1)

        await wait_until(is_review_created, within=60)
        await wait_until(is_summary_published, within=60)
        await wait_until(is_visit_counted)
        assert (await client.get("/readyz")).status_code == 200
    (record,) = await read_changes(settings)
    summary = ReviewSummary(npi=NPI, count=1, overall=4.167, bedside_manner=4.0, wait_time=3.833)
    assert decode_entity(decode(record.body)) == summary


async def read_changes(settings: ReviewsSettings) -> tuple[Record, ...]:
    """Return the records on `changes`."""
    async with open_transport() as transport:
        (shard,) = await transport.list_shards(settings.changes_stream)
        start = await transport.open_iterator(settings.changes_stream, shard.shard_id, TRIM_HORIZON)
        return (await transport.get_records(start, 100)).records
