"""The service as it is deployed: on emulated Kinesis and DynamoDB, by its entry point for `millrace init`; and as it
describes itself."""

import json
import re
from collections.abc import Callable
from importlib.metadata import entry_points

import httpx
import pytest

from millrace_contracts.entities import ReviewSummary
from millrace_contracts.envelope import decode
from millrace_contracts.registry import APPOINTMENT, entity_of
from millrace_feeds.assembly import open_publisher, open_transport
from millrace_feeds.aws import dynamodb_client, kinesis_client
from millrace_feeds.provision import create_dead_letters_table, create_stream
from millrace_feeds.transport import TRIM_HORIZON, Record
from millrace_platform.ids import Uuid7
from millrace_platform.testing import ManualClock
from millrace_reviews.bootstrap import Surroundings
from millrace_reviews.main import create
from millrace_reviews.settings import ReviewsSettings
from tests.support.waiting import until

from .running import NPI, STARS, appointment_of, caller_of, envelope, verifiers

VARIABLES = {
    "entities": "ENTITIES_STREAM",
    "changes": "CHANGES_STREAM",
    "reviews-leases": "REVIEWS_LEASES_TABLE",
    "dead-letters": "DEAD_LETTERS_TABLE",
}


@pytest.fixture
async def settings(
    aws_endpoint: str, postgres_dsn: str, unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> ReviewsSettings:
    """What the environment names, made ready as `millrace init` does it; twice, as it may run again."""
    monkeypatch.setenv("MILLRACE_REVIEWS_DATABASE_URL", postgres_dsn)
    for name, variable in VARIABLES.items():
        monkeypatch.setenv(f"MILLRACE_{variable}", unique_name(name))
    settings = ReviewsSettings()
    async with kinesis_client() as kinesis, dynamodb_client() as dynamodb:
        for stream in (settings.entities_stream, settings.changes_stream):
            await create_stream(kinesis, stream, 1)
        await create_dead_letters_table(dynamodb, settings.dead_letters_table)
    (init,) = entry_points(group="millrace.init", name="reviews")
    for _ in range(2):
        await init.load()()
    return settings


def test_the_description_is_complete_in_itself() -> None:
    described = create(ReviewsSettings()).openapi()
    parts = described["components"]["schemas"].keys()
    assert set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(described))) <= parts
    assert not re.search(r'"#/\$defs/', json.dumps(described))


async def test_a_visit_on_the_feed_becomes_a_review_and_a_summary_on_the_feed(settings: ReviewsSettings) -> None:
    clock = ManualClock()
    app = create(settings, Surroundings(clock, Uuid7(clock), verifier=verifiers))
    ada = caller_of(settings)
    visit = appointment_of(ada.id, clock)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reviews") as client,
        open_publisher(settings.entities_stream) as publisher,
    ):
        await publisher.publish([decode(envelope(APPOINTMENT, visit, 1, False, clock.now))])
        body = {"appointment_id": visit.id, **STARS}

        async def reviewed() -> bool:
            return (await client.post("/v1/reviews", json=body, headers=ada.headers)).status_code == 201

        async def told() -> bool:
            return len(await changes(settings)) == 1

        await until(reviewed, within=60)
        await until(told, within=60)
        assert (await client.get("/readyz")).status_code == 200
        status = (await client.get("/internal/reviews/status")).json()
    (record,) = await changes(settings)
    summary = ReviewSummary(npi=NPI, count=1, overall=4.167, bedside_manner=4.0, wait_time=3.833)
    assert entity_of(decode(record.body)) == summary
    assert (status["consumer"]["handled"], status["reviews"]["published"]) == (1, 1)


async def changes(settings: ReviewsSettings) -> tuple[Record, ...]:
    """What stands on `changes`."""
    async with open_transport() as transport:
        (shard,) = await transport.list_shards(settings.changes_stream)
        start = await transport.open_iterator(settings.changes_stream, shard.shard_id, TRIM_HORIZON)
        return (await transport.get_records(start, 100)).records
