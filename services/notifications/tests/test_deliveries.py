"""Tests of messages to practices, from the feed to their endpoints, with a manual clock."""

import asyncio
import itertools
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from standardwebhooks import Webhook, WebhookVerificationError

from millrace_contracts.entities import Appointment, ProviderLocation
from millrace_feeds.clock import utc_now
from millrace_notifications.delivery import repository
from millrace_notifications.delivery.dispatcher import Dispatcher
from millrace_notifications.delivery.model import GIVE_UP_AFTER, State, next_attempt
from millrace_notifications.delivery.service import DeliveryService
from millrace_notifications.endpoint.model import PROMPT_ATTEMPTS, Endpoint, EndpointConfig, EventType, SecretRef
from millrace_notifications.endpoint.service import EndpointService
from millrace_notifications.sweep import Sweep
from millrace_platform.ids import Uuid7
from millrace_platform.preconditions import Tags

from .running import OTHER_PRACTICE, PRACTICE, SECRETS, Harness, appointment, open_harness, provider_location

FRIDAY = datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
PRACTICES = [PRACTICE]
ALL = tuple(EventType)


def endpoint_service(harness: Harness) -> EndpointService:
    return EndpointService(harness.database, SECRETS, False, harness.clock, harness.dispatcher.ids)


def delivery_service(harness: Harness) -> DeliveryService:
    return DeliveryService(harness.database, harness.clock, harness.dispatcher.ids)


async def create_endpoint(
    harness: Harness,
    events: tuple[EventType, ...] = ALL,
    practice: str = PRACTICE,
    url: str = "https://hooks.example/in",
) -> Endpoint:
    return await endpoint_service(harness).create([practice], practice, EndpointConfig(url, None, events, True))


async def list_deliveries(harness: Harness, of: Endpoint) -> list[Any]:
    return list(await delivery_service(harness).list([of.practice_id], of.id, state=None, before=None, limit=100))


def booked(count: int, prefix: str = "a", **changes: Any) -> list[Appointment]:
    """Return new appointments, each of which is one message to a practice."""
    return [appointment(FRIDAY, identifier=f"{prefix}{number}", **changes) for number in range(count)]


def cancelled(count: int) -> list[Appointment]:
    return [appointment(FRIDAY, "cancelled", identifier=f"a{number}") for number in range(count)]


async def respond_promptly(harness: Harness, *endpoints: Endpoint) -> None:
    """Have the endpoints respond promptly so often that they count as prompt; forget the requests."""
    for each in endpoints:
        for _ in range(PROMPT_ATTEMPTS):
            await delivery_service(harness).ping([each.practice_id], each.id)
    await harness.deliver_due()
    harness.poster.requests.clear()


async def leased(dispatcher: Dispatcher, limit: int) -> dict[UUID, int]:
    """Lease due deliveries; return how many of each endpoint."""
    return dict(Counter(each.endpoint_id for each in await dispatcher.lease_due(limit)))


def received_types(harness: Harness) -> list[str]:
    return [json.loads(body)["type"] for _, _, body in harness.poster.requests]


class TestPendingProviderLocations:
    def claimed(self, identifier: str = "claimed", practice: str = OTHER_PRACTICE) -> ProviderLocation:
        return structs.replace(provider_location(practice), id=identifier, is_pending=True)

    async def test_other_practices_of_the_provider_are_notified_once(self, harness: Harness) -> None:
        theirs, own = await create_endpoint(harness), await create_endpoint(harness, practice=OTHER_PRACTICE)
        await harness.consume(provider_location(), self.claimed())
        await harness.consume(self.claimed())
        await harness.deliver_due()
        assert received_types(harness) == ["provider_location.pending"]
        body = json.loads(harness.poster.requests[0][2])
        assert body["data"] == {
            "provider_location_id": "claimed",
            "npi": provider_location().npi,
            "practice_id": PRACTICE,
        }
        assert len(await list_deliveries(harness, theirs)) == 1
        assert await list_deliveries(harness, own) == []

    async def test_replays_and_old_versions_notify_nobody(self, harness: Harness) -> None:
        theirs = await create_endpoint(harness)
        await harness.consume(provider_location())
        await harness.consume(self.claimed(), replay=True)
        await harness.handler.handle([harness.feed.record(self.claimed(), version=1)])
        assert await list_deliveries(harness, theirs) == []

    async def test_practices_whose_claim_is_pending_are_not_notified(self, harness: Harness) -> None:
        own = await create_endpoint(harness, practice=OTHER_PRACTICE)
        await harness.consume(provider_location(), self.claimed(), self.claimed("another", "third-practice"))
        assert await list_deliveries(harness, own) == []


class TestFanOut:
    async def test_each_change_is_delivered_once_to_subscribed_endpoints(self, harness: Harness) -> None:
        await create_endpoint(harness)
        await create_endpoint(harness, (EventType.CANCELLED,))
        await create_endpoint(harness, practice=OTHER_PRACTICE)
        later = FRIDAY + timedelta(days=1)
        steps = [
            harness.feed.record(entity)
            for entity in (
                appointment(FRIDAY),
                appointment(later, moved_from=FRIDAY.isoformat()),
                appointment(later, "confirmed"),
                appointment(later, "arrived"),
                appointment(later, "completed"),
                appointment(FRIDAY, identifier="a2"),
                appointment(FRIDAY, "cancelled", "a2"),
                appointment(FRIDAY, identifier="a3"),
                appointment(FRIDAY, "no_show", "a3"),
            )
        ]
        for _ in range(2):
            await harness.handler.handle(steps)
        await harness.deliver_due()
        changes = ["booked"] * 3 + ["moved", "confirmed", "arrived", "completed", "cancelled", "cancelled", "no_show"]
        assert sorted(received_types(harness)) == sorted(f"appointment.{each}" for each in changes)

    async def test_message_contains_only_ids_and_states(self, harness: Harness) -> None:
        await create_endpoint(harness)
        await harness.consume(appointment(FRIDAY, visit_reason="std-testing"))
        await harness.deliver_due()
        ((_, _, body),) = harness.poster.requests
        assert json.loads(body) == {
            "type": "appointment.booked",
            "timestamp": "2026-11-23T15:00:00.000Z",
            "data": {
                "appointment_id": "a1",
                "version": 1,
                "state": "booked",
                "practice_id": PRACTICE,
                "provider_location_id": "11111111-1111-5111-8111-111111111111",
            },
        }

    async def test_practice_defaults_to_that_of_the_provider_location(self, harness: Harness) -> None:
        await create_endpoint(harness)
        await harness.consume(appointment(FRIDAY, practice_id=None))
        await harness.consume(provider_location(practice=None), appointment(FRIDAY, practice_id=None, identifier="a2"))
        await harness.deliver_due()
        assert [json.loads(body)["data"]["appointment_id"] for _, _, body in harness.poster.requests] == ["a1"]

    async def test_former_practice_gets_the_move_too(self, harness: Harness) -> None:
        await create_endpoint(harness, url="https://former.example/")
        await create_endpoint(harness, practice=OTHER_PRACTICE, url="https://next.example/")
        there = {"provider_location_id": "there", "practice_id": OTHER_PRACTICE}
        await harness.consume(appointment(FRIDAY), appointment(FRIDAY, moved_from=FRIDAY.isoformat(), **there))
        await harness.deliver_due()
        received = sorted((host, json.loads(body)["type"]) for host, _, body in harness.poster.requests)
        assert received == [
            ("former.example", "appointment.booked"),
            ("former.example", "appointment.moved"),
            ("next.example", "appointment.moved"),
        ]


class TestRetries:
    @given(st.integers(0, 2**32), st.one_of(st.none(), st.integers(0, 10**9)))
    def test_attempts_end_within_two_days(self, seed: int, retry_after: int | None) -> None:
        created_at = datetime(2026, 11, 23, tzinfo=UTC)
        random, now, attempts = Random(seed), created_at, 1
        while (due := next_attempt(created_at, attempts, now, random, retry_after)) is not None:
            assert due > now
            now, attempts = due, attempts + 1
        assert created_at + timedelta(hours=36) < now <= created_at + GIVE_UP_AFTER
        assert attempts <= 20

    async def test_failing_delivery_is_retried_for_two_days(self, harness: Harness) -> None:
        to = await create_endpoint(harness)
        harness.poster.status = 500
        await harness.consume(appointment(FRIDAY))
        started, attempted_at = utc_now(harness.clock), list[timedelta]()
        while (due := (await list_deliveries(harness, to))[0].next_attempt_at) is not None:
            harness.clock.move_to(max(due, utc_now(harness.clock)))
            assert await harness.deliver_due() == 1
            attempted_at.append(utc_now(harness.clock) - started)
        (settled,) = await list_deliveries(harness, to)
        assert settled.state is State.FAILED
        pauses = [after - before for before, after in itertools.pairwise(attempted_at)]
        assert pauses[0] < timedelta(seconds=7)
        assert timedelta(hours=40) < attempted_at[-1] <= timedelta(hours=48)
        assert len(attempted_at) == settled.attempts
        assert {headers["webhook-id"] for _, headers, _ in harness.poster.requests} == {str(settled.message_id)}
        _, attempts = await delivery_service(harness).get(PRACTICES, to.id, settled.id)
        assert [(each.number, each.status) for each in attempts] == [(n + 1, 500) for n in range(len(attempted_at))]

    async def test_retries_continue_after_a_restart(self, database_url: str) -> None:
        async with open_harness(database_url) as before:
            to = await create_endpoint(before)
            before.poster.status = "timeout"
            await before.consume(appointment(FRIDAY))
            assert await before.deliver_due() == 1
        before.clock.advance(seconds=10)
        async with open_harness(database_url, before.clock, seed=2) as after:
            assert await after.deliver_due() == 1
            assert await after.deliver_due() == 0
            (settled,) = await list_deliveries(after, to)
            assert (settled.state, settled.attempts) == (State.DELIVERED, 2)

    async def test_retry_after_lengthens_the_delay(self, harness: Harness) -> None:
        to = await create_endpoint(harness)
        harness.poster.status, harness.poster.retry_after = 429, 3600
        await harness.consume(appointment(FRIDAY))
        await harness.deliver_due()
        assert (await list_deliveries(harness, to))[0].next_attempt_at == utc_now(harness.clock) + timedelta(hours=1)

    @pytest.mark.parametrize("status", [301, 307, 404, 500, "refused_address", "tls"])
    async def test_every_failure_is_retried(self, harness: Harness, status: int | str) -> None:
        to = await create_endpoint(harness)
        harness.poster.status = status
        await harness.consume(appointment(FRIDAY))
        await harness.deliver_due()
        (waiting,) = await list_deliveries(harness, to)
        assert waiting.state is State.PENDING
        assert status in (waiting.last_attempt.status, waiting.last_attempt.failure)

    async def test_delivery_of_a_dead_worker_is_made_after_its_lease(self, harness: Harness) -> None:
        await create_endpoint(harness)
        await harness.consume(appointment(FRIDAY))
        assert len(await harness.slow_dispatcher.lease_due(8)) == 1
        assert await harness.deliver_due() == 0
        harness.clock.advance(seconds=120)
        assert await harness.deliver_due() == 1


class TestFairness:
    async def test_slow_endpoint_does_not_delay_others(self, harness: Harness) -> None:
        slow = await create_endpoint(harness, (EventType.BOOKED,), url="https://slow.example/in")
        quick = await create_endpoint(harness, (EventType.CANCELLED,))
        await respond_promptly(harness, slow, quick)
        await harness.consume(*booked(20))
        assert await leased(harness.dispatcher, 32) == {slow.id: 4}
        await harness.consume(*cancelled(1))
        assert await leased(harness.dispatcher, 32) == {quick.id: 1}

    async def test_endpoint_that_was_slow_has_one_slow_worker(self, harness: Harness) -> None:
        """Nothing of it is sent by the workers of prompt endpoints, however many of its messages are due."""
        slow = await create_endpoint(harness, url="https://slow.example/in")
        await respond_promptly(harness, slow)
        harness.poster.seconds["slow.example"] = 15.0
        await harness.consume(*booked(1))
        await harness.deliver_due()
        await harness.consume(*booked(20, "later"))
        assert await leased(harness.dispatcher, 32) == {}
        assert await leased(harness.slow_dispatcher, 32) == {slow.id: 1}

    async def test_new_endpoint_becomes_prompt_by_three_prompt_responses(self, harness: Harness) -> None:
        new = await create_endpoint(harness)
        for number in range(PROMPT_ATTEMPTS):
            await harness.consume(*booked(1, f"n{number}"))
            assert await leased(harness.dispatcher, 32) == {}
            await harness.deliver_due()
        await harness.consume(*booked(1, "last"))
        assert await leased(harness.dispatcher, 32) == {new.id: 1}

    async def test_quick_failures_are_prompt_and_a_new_url_is_not(self, harness: Harness) -> None:
        to, harness.poster.status = await create_endpoint(harness), 500
        await harness.consume(*booked(PROMPT_ATTEMPTS))
        await harness.deliver_due()
        service = endpoint_service(harness)
        assert (await service.get(PRACTICES, to.id)).prompt_attempts == PROMPT_ATTEMPTS
        moved = EndpointConfig("https://other.example/in", None, ALL, True)
        assert (await service.update(PRACTICES, to.id, Tags(None), moved)).prompt_attempts == 0

    async def test_practice_with_many_endpoints_gets_a_quarter(self, harness: Harness) -> None:
        many = [await create_endpoint(harness, (EventType.BOOKED,)) for _ in range(10)]
        other = await create_endpoint(harness, practice=OTHER_PRACTICE)
        await respond_promptly(harness, *many, other)
        await harness.consume(*booked(20))
        await harness.consume(*booked(20, "theirs", practice_id=OTHER_PRACTICE))
        first = await leased(harness.dispatcher, 32)
        assert (first.pop(other.id), sum(first.values())) == (4, 8)
        assert await leased(harness.dispatcher, 32) == {}

    async def test_practices_with_slow_endpoints_get_a_quarter_of_the_slow_workers(self, harness: Harness) -> None:
        for _ in range(10):
            await create_endpoint(harness)
        other = await create_endpoint(harness, practice=OTHER_PRACTICE)
        await harness.consume(*booked(20))
        assert sum((await leased(harness.slow_dispatcher, 32)).values()) == 8
        await harness.consume(*booked(1, "theirs", practice_id=OTHER_PRACTICE))
        assert await leased(harness.slow_dispatcher, 32) == {other.id: 1}

    async def test_practices_take_turns(self, harness: Harness) -> None:
        """A practice with many overdue messages doesn't delay the few of another one."""
        busy, other = await create_endpoint(harness), await create_endpoint(harness, practice=OTHER_PRACTICE)
        await respond_promptly(harness, busy, other)
        await harness.consume(*booked(20))
        harness.clock.advance(seconds=1)
        await harness.consume(*booked(1, "theirs", practice_id=OTHER_PRACTICE))
        assert await leased(harness.dispatcher, 2) == {busy.id: 1, other.id: 1}

    async def test_concurrent_workers_deliver_each_message_once(self, harness: Harness) -> None:
        await create_endpoint(harness)
        await harness.consume(*(appointment(FRIDAY, identifier=f"a{n}") for n in range(40)))
        while len(harness.poster.requests) < 40:
            assert sum(await asyncio.gather(*(harness.deliver_due() for _ in range(4))))
        assert await harness.deliver_due() == 0
        assert len(harness.poster.requests) == 40


class TestHealth:
    async def test_endpoint_is_disabled_after_five_days_of_failures(self, harness: Harness) -> None:
        to = await create_endpoint(harness)
        harness.poster.status = 500
        for day in range(6):
            await harness.consume(appointment(FRIDAY + timedelta(days=30), identifier=f"a{day}"))
            await harness.deliver_due()
            found = await endpoint_service(harness).get(PRACTICES, to.id)
            assert found.disabled_reason == (None if day < 5 else "failing")
            harness.clock.advance(days=1)
        await harness.deliver_due()
        assert {each.state for each in await list_deliveries(harness, to)} <= {State.FAILED, State.CANCELLED}
        await harness.consume(appointment(FRIDAY + timedelta(days=30), identifier="b"))
        assert await harness.deliver_due() == 0

    async def test_success_resets_the_count_of_failures(self, harness: Harness) -> None:
        to = await create_endpoint(harness)
        for day in range(8):
            harness.poster.status = 200 if day == 4 else 500
            await harness.consume(appointment(FRIDAY + timedelta(days=30), identifier=f"a{day}"))
            await harness.deliver_due()
            harness.clock.advance(days=1)
        assert (await endpoint_service(harness).get(PRACTICES, to.id)).disabled_reason is None

    async def test_gone_endpoint_is_disabled_at_once(self, harness: Harness) -> None:
        to = await create_endpoint(harness)
        harness.poster.status = 410
        await harness.consume(appointment(FRIDAY))
        await harness.deliver_due()
        found = await endpoint_service(harness).get(PRACTICES, to.id)
        assert (found.disabled_reason, found.version) == ("gone", 2)

    async def test_messages_missed_while_disabled_can_be_redelivered(self, harness: Harness) -> None:
        to = await create_endpoint(harness)
        await harness.consume(appointment(FRIDAY))
        await harness.deliver_due()
        since = utc_now(harness.clock)
        service = endpoint_service(harness)
        off = EndpointConfig(to.url, None, ALL, False)
        version = (await service.get(PRACTICES, to.id)).version
        await service.update(PRACTICES, to.id, Tags(frozenset({str(version)})), off)
        await harness.consume(appointment(FRIDAY, "confirmed"), appointment(FRIDAY, identifier="a2"))
        assert await harness.deliver_due() == 0
        await service.update(PRACTICES, to.id, Tags(None), EndpointConfig(to.url, None, ALL, True))
        harness.poster.requests.clear()
        assert await delivery_service(harness).redeliver_since(PRACTICES, to.id, since, delivered=False) == 2
        assert await delivery_service(harness).redeliver_since(PRACTICES, to.id, since, delivered=False) == 0
        await harness.deliver_due()
        assert sorted(received_types(harness)) == ["appointment.booked", "appointment.confirmed"]
        assert await delivery_service(harness).redeliver_since(PRACTICES, to.id, since, delivered=True) == 3


class TestSignatures:
    async def deliver(self, harness: Harness) -> tuple[dict[str, str], bytes]:
        """Return headers and body of a new message."""
        await harness.consume(
            appointment(datetime.now(UTC) + timedelta(days=3), identifier=str(utc_now(harness.clock)))
        )
        await harness.deliver_due()
        _, headers, body = harness.poster.requests[-1]
        return headers, body

    @pytest.fixture
    async def current(self, harness: Harness) -> Harness:
        """Set the clock to the current time, because the library checks timestamps."""
        harness.clock.move_to(datetime.now(UTC))
        return harness

    async def test_signature_verifies_with_the_standard_webhooks_library(self, current: Harness) -> None:
        to = await create_endpoint(current)
        headers, body = await self.deliver(current)
        webhook = Webhook(endpoint_service(current).encode_secret(to))
        assert webhook.verify(body, headers)["type"] == "appointment.booked"
        with pytest.raises(WebhookVerificationError):
            webhook.verify(body.replace(b"booked", b"moved"), headers)

    async def test_old_and_new_secret_verify_during_the_overlap(self, current: Harness) -> None:
        to = await create_endpoint(current)
        service = endpoint_service(current)
        old = service.encode_secret(to)
        new = service.encode_secret(await service.rotate_secret(PRACTICES, to.id, timedelta(hours=1)))
        assert old != new
        headers, body = await self.deliver(current)
        for secret in (old, new):
            Webhook(secret).verify(body, headers)
        await service.rotate_secret(PRACTICES, to.id, timedelta(0))
        headers, body = await self.deliver(current)
        for secret in (old, new):
            with pytest.raises(WebhookVerificationError):
                Webhook(secret).verify(body, headers)

    def test_overlap_ends(self) -> None:
        created_at = datetime(2026, 11, 23, tzinfo=UTC)
        before = Endpoint(
            id=UUID(int=1),
            practice_id=PRACTICE,
            version=1,
            url="https://hooks.example",
            description=None,
            events=ALL,
            secret=secret_ref(1),
            created_at=created_at,
        )
        after = before.with_new_secret(SECRETS.current, timedelta(hours=1), created_at)
        assert [ref.generation for ref in after.signing_secrets(created_at)] == [2, 1]
        assert [ref.generation for ref in after.signing_secrets(created_at + timedelta(hours=1))] == [2]

    def test_secrets_of_endpoints_differ(self) -> None:
        secrets = {SECRETS.encode(UUID(int=n), secret_ref(g)) for n in range(10) for g in range(1, 4)}
        assert len(secrets) == 30
        assert all(each.startswith("whsec_") for each in secrets)


def secret_ref(generation: int) -> SecretRef:
    return SecretRef(SECRETS.current, generation)


@pytest.mark.parametrize("batch", [1, 2, 1_000])
async def test_sweep_deletes_old_messages_in_batches(
    harness: Harness, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millrace_notifications.sweep.BATCH", batch)
    to = await create_endpoint(harness)
    await harness.consume(*(appointment(FRIDAY, identifier=f"a{n}") for n in range(5)))
    await harness.deliver_due()
    harness.clock.advance(days=29)
    await Sweep(harness.database, harness.clock).run_once()
    assert len(await list_deliveries(harness, to)) == 5
    harness.clock.advance(days=2)
    await Sweep(harness.database, harness.clock).run_once()
    assert await list_deliveries(harness, to) == []


async def test_sweep_retains_redelivered_messages(harness: Harness) -> None:
    to = await create_endpoint(harness)
    await harness.consume(appointment(FRIDAY), appointment(FRIDAY, identifier="a2"))
    await harness.deliver_due()
    harness.clock.advance(days=29)
    message_id = (await list_deliveries(harness, to))[0].message_id
    async with harness.database.transaction() as session:
        await repository.insert_deliveries(session, [(to.id, message_id)], Uuid7(), utc_now(harness.clock))
    harness.clock.advance(days=2)
    await Sweep(harness.database, harness.clock).run_once()
    assert [each.message_id for each in await list_deliveries(harness, to)] == [message_id, message_id]
    harness.clock.advance(days=29)
    await Sweep(harness.database, harness.clock).run_once()
    assert await list_deliveries(harness, to) == []


async def test_sweep_deletes_messages_with_their_log(harness: Harness) -> None:
    to = await create_endpoint(harness)
    await harness.consume(appointment(FRIDAY))
    await harness.deliver_due()
    harness.clock.advance(days=31)
    await harness.consume(appointment(utc_now(harness.clock) + timedelta(days=1), identifier="a2"))
    await Sweep(harness.database, harness.clock).run_once()
    assert [each.state for each in await list_deliveries(harness, to)] == [State.PENDING]
    async with harness.database.read() as session:
        count, _ = await repository.count_pending(session, utc_now(harness.clock))
    assert count == 1
