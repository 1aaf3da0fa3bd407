"""Messages to practices, from the feed to their servers, over days of a clock that is turned by hand."""

import asyncio
import itertools
import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from millrace_feeds.clock import utc_now
from millrace_notifications.delivery import repository
from millrace_notifications.delivery.model import GIVE_UP_AFTER, State, next_attempt
from millrace_notifications.delivery.service import DeliveryService
from millrace_notifications.endpoint.model import Endpoint, EventType, SecretPlace
from millrace_notifications.endpoint.service import EndpointService, Wanted
from millrace_notifications.sweep import Sweep
from millrace_platform.ids import Uuid7
from millrace_platform.preconditions import Tags

from .running import OTHER_PRACTICE, PRACTICE, SECRETS, Bench, appointment, bench, place

FRIDAY = datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
MINE = [PRACTICE]
ALL = tuple(EventType)


def endpoints_of(parts: Bench) -> EndpointService:
    return EndpointService(parts.database, SECRETS, False, parts.clock, parts.dispatcher.ids)


def deliveries_of(parts: Bench) -> DeliveryService:
    return DeliveryService(parts.database, parts.clock, parts.dispatcher.ids)


async def endpoint(
    parts: Bench,
    events: tuple[EventType, ...] = ALL,
    practice: str = PRACTICE,
    url: str = "https://hooks.example/in",
) -> Endpoint:
    return await endpoints_of(parts).create([practice], practice, Wanted(url, None, events, True))


async def log(parts: Bench, of: Endpoint) -> list[Any]:
    return list(await deliveries_of(parts).list([of.practice_id], of.id, state=None, before=None, limit=100))


def types(parts: Bench) -> list[str]:
    return [json.loads(body)["type"] for _, _, body in parts.receiver.got]


class TestFanOut:
    async def test_each_step_of_a_visit_is_told_once_to_each_endpoint_that_wants_it(self, parts: Bench) -> None:
        await endpoint(parts)
        await endpoint(parts, (EventType.CANCELLED,))
        await endpoint(parts, practice=OTHER_PRACTICE)
        later = FRIDAY + timedelta(days=1)
        steps = [
            parts.feed.record(entity)
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
            await parts.handler.handle(steps)
        await parts.deliver_due()
        told = ["booked"] * 3 + ["moved", "confirmed", "arrived", "completed", "cancelled", "cancelled", "no_show"]
        assert sorted(types(parts)) == sorted(f"appointment.{each}" for each in told)

    async def test_a_message_holds_ids_and_states_only(self, parts: Bench) -> None:
        await endpoint(parts)
        await parts.tell(appointment(FRIDAY, visit_reason="std-testing"))
        await parts.deliver_due()
        ((_, _, body),) = parts.receiver.got
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

    async def test_a_visit_that_names_no_practice_is_that_of_its_place(self, parts: Bench) -> None:
        await endpoint(parts)
        await parts.tell(appointment(FRIDAY, practice_id=None))
        await parts.tell(place(practice=None), appointment(FRIDAY, practice_id=None, identifier="a2"))
        await parts.deliver_due()
        assert [json.loads(body)["data"]["appointment_id"] for _, _, body in parts.receiver.got] == ["a1"]

    async def test_the_practice_that_a_visit_leaves_is_told_too(self, parts: Bench) -> None:
        await endpoint(parts, url="https://former.example/")
        await endpoint(parts, practice=OTHER_PRACTICE, url="https://next.example/")
        there = {"provider_location_id": "there", "practice_id": OTHER_PRACTICE}
        await parts.tell(appointment(FRIDAY), appointment(FRIDAY, moved_from=FRIDAY.isoformat(), **there))
        await parts.deliver_due()
        told = sorted((host, json.loads(body)["type"]) for host, _, body in parts.receiver.got)
        assert told == [
            ("former.example", "appointment.booked"),
            ("former.example", "appointment.moved"),
            ("next.example", "appointment.moved"),
        ]


class TestRetries:
    @given(st.integers(0, 2**32), st.one_of(st.none(), st.integers(0, 10**9)))
    def test_pauses_grow_and_end_within_two_days(self, seed: int, retry_after: int | None) -> None:
        made = datetime(2026, 11, 23, tzinfo=UTC)
        random, now, tries = Random(seed), made, 1
        while (due := next_attempt(made, tries, now, random, retry_after)) is not None:
            assert due > now
            now, tries = due, tries + 1
        assert made + timedelta(hours=36) < now <= made + GIVE_UP_AFTER
        assert tries <= 20

    async def test_over_two_days_it_is_tried_ever_less_often_and_then_given_up(self, parts: Bench) -> None:
        to = await endpoint(parts)
        parts.receiver.status = 500
        await parts.tell(appointment(FRIDAY))
        began, tried_at = utc_now(parts.clock), list[timedelta]()
        while (due := (await log(parts, to))[0].due_at) is not None:
            parts.clock.move_to(max(due, utc_now(parts.clock)))
            assert await parts.deliver_due() == 1
            tried_at.append(utc_now(parts.clock) - began)
        (settled,) = await log(parts, to)
        assert settled.state is State.FAILED
        pauses = [after - before for before, after in itertools.pairwise(tried_at)]
        assert pauses[0] < timedelta(seconds=7)
        assert timedelta(hours=40) < tried_at[-1] <= timedelta(hours=48)
        assert len(tried_at) == settled.attempts
        assert {headers["webhook-id"] for _, headers, _ in parts.receiver.got} == {str(settled.message_id)}
        _, attempts = await deliveries_of(parts).get(MINE, to.id, settled.id)
        assert [(each.number, each.status) for each in attempts] == [(n + 1, 500) for n in range(len(tried_at))]

    async def test_a_restart_goes_on_where_it_was(self, database_url: str) -> None:
        async with bench(database_url) as before:
            to = await endpoint(before)
            before.receiver.status = "timeout"
            await before.tell(appointment(FRIDAY))
            assert await before.deliver_due() == 1
        before.clock.advance(seconds=10)
        async with bench(database_url, before.clock, seed=2) as after:
            assert await after.deliver_due() == 1
            assert await after.deliver_due() == 0
            (settled,) = await log(after, to)
            assert (settled.state, settled.attempts) == (State.DELIVERED, 2)

    async def test_the_other_side_may_ask_for_more_time(self, parts: Bench) -> None:
        to = await endpoint(parts)
        parts.receiver.status, parts.receiver.retry_after = 429, 3600
        await parts.tell(appointment(FRIDAY))
        await parts.deliver_due()
        assert (await log(parts, to))[0].due_at == utc_now(parts.clock) + timedelta(hours=1)

    @pytest.mark.parametrize("status", [301, 307, 404, 500, "refused_address", "tls"])
    async def test_whatever_is_no_success_is_tried_again(self, parts: Bench, status: int | str) -> None:
        to = await endpoint(parts)
        parts.receiver.status = status
        await parts.tell(appointment(FRIDAY))
        await parts.deliver_due()
        (waiting,) = await log(parts, to)
        assert waiting.state is State.PENDING
        assert status in (waiting.last.status, waiting.last.failure)

    async def test_a_worker_that_dies_is_replaced_when_its_lease_ends(self, parts: Bench) -> None:
        await endpoint(parts)
        await parts.tell(appointment(FRIDAY))
        assert len(await parts.dispatcher.claim(8)) == 1
        assert await parts.deliver_due() == 0
        parts.clock.advance(seconds=120)
        assert await parts.deliver_due() == 1


class TestFairness:
    async def test_an_endpoint_that_hangs_holds_up_no_other(self, parts: Bench) -> None:
        slow = await endpoint(parts, (EventType.BOOKED,))
        await parts.tell(*(appointment(FRIDAY, identifier=f"a{n}") for n in range(20)))
        quick = await endpoint(parts, (EventType.CANCELLED,))
        first = await parts.dispatcher.claim(32)
        assert {each.endpoint_id for each in first} == {slow.id}
        assert len(first) == 4
        await parts.tell(appointment(FRIDAY, "cancelled"))
        second = await parts.dispatcher.claim(32)
        assert [each.endpoint_id for each in second] == [quick.id]

    async def test_workers_side_by_side_deliver_each_message_once(self, parts: Bench) -> None:
        await endpoint(parts)
        await parts.tell(*(appointment(FRIDAY, identifier=f"a{n}") for n in range(40)))
        while len(parts.receiver.got) < 40:
            assert sum(await asyncio.gather(*(parts.deliver_due() for _ in range(4))))
        assert await parts.deliver_due() == 0
        assert len(parts.receiver.got) == 40


class TestHealth:
    async def test_after_five_days_of_failures_it_is_disabled(self, parts: Bench) -> None:
        to = await endpoint(parts)
        parts.receiver.status = 500
        for day in range(6):
            await parts.tell(appointment(FRIDAY + timedelta(days=30), identifier=f"a{day}"))
            await parts.deliver_due()
            assert (await endpoints_of(parts).get(MINE, to.id)).disabled == (None if day < 5 else "failing")
            parts.clock.advance(days=1)
        await parts.deliver_due()
        assert {each.state for each in await log(parts, to)} <= {State.FAILED, State.CANCELLED}
        await parts.tell(appointment(FRIDAY + timedelta(days=30), identifier="b"))
        assert await parts.deliver_due() == 0

    async def test_one_success_begins_a_new_count(self, parts: Bench) -> None:
        to = await endpoint(parts)
        for day in range(8):
            parts.receiver.status = 200 if day == 4 else 500
            await parts.tell(appointment(FRIDAY + timedelta(days=30), identifier=f"a{day}"))
            await parts.deliver_due()
            parts.clock.advance(days=1)
        assert (await endpoints_of(parts).get(MINE, to.id)).disabled is None

    async def test_an_endpoint_that_is_gone_is_disabled_at_once(self, parts: Bench) -> None:
        to = await endpoint(parts)
        parts.receiver.status = 410
        await parts.tell(appointment(FRIDAY))
        await parts.deliver_due()
        found = await endpoints_of(parts).get(MINE, to.id)
        assert (found.disabled, found.version) == ("gone", 2)

    async def test_what_was_missed_meanwhile_can_be_had(self, parts: Bench) -> None:
        to = await endpoint(parts)
        await parts.tell(appointment(FRIDAY))
        await parts.deliver_due()
        since = utc_now(parts.clock)
        service = endpoints_of(parts)
        off = Wanted(to.url, None, ALL, False)
        version = (await service.get(MINE, to.id)).version
        await service.change(MINE, to.id, Tags(frozenset({str(version)})), off)
        await parts.tell(appointment(FRIDAY, "confirmed"), appointment(FRIDAY, identifier="a2"))
        assert await parts.deliver_due() == 0
        await service.change(MINE, to.id, Tags(None), Wanted(to.url, None, ALL, True))
        parts.receiver.got.clear()
        assert await deliveries_of(parts).redeliver_since(MINE, to.id, since, delivered=False) == 2
        assert await deliveries_of(parts).redeliver_since(MINE, to.id, since, delivered=False) == 0
        await parts.deliver_due()
        assert sorted(types(parts)) == ["appointment.booked", "appointment.confirmed"]
        assert await deliveries_of(parts).redeliver_since(MINE, to.id, since, delivered=True) == 3


class TestSignatures:
    async def got(self, parts: Bench) -> tuple[dict[str, str], bytes]:
        """What came last, at a time that the library's own clock takes for now."""
        await parts.tell(appointment(datetime.now(UTC) + timedelta(days=3), identifier=str(utc_now(parts.clock))))
        await parts.deliver_due()
        _, headers, body = parts.receiver.got[-1]
        return headers, body

    @pytest.fixture
    async def now(self, parts: Bench) -> Bench:
        parts.clock.move_to(datetime.now(UTC))
        return parts

    async def test_they_verify_with_the_library_of_the_standard(self, now: Bench) -> None:
        to = await endpoint(now)
        headers, body = await self.got(now)
        assert Webhook(endpoints_of(now).secret_of(to)).verify(body, headers)["type"] == "appointment.booked"
        with pytest.raises(WebhookVerificationError):
            Webhook(endpoints_of(now).secret_of(to)).verify(body.replace(b"booked", b"moved"), headers)

    async def test_old_and_new_secret_verify_while_they_overlap(self, now: Bench) -> None:
        to = await endpoint(now)
        service = endpoints_of(now)
        old = service.secret_of(to)
        new = service.secret_of(await service.rotate(MINE, to.id, timedelta(hours=1)))
        assert old != new
        headers, body = await self.got(now)
        for secret in (old, new):
            Webhook(secret).verify(body, headers)
        await service.rotate(MINE, to.id, timedelta(0))
        headers, body = await self.got(now)
        for secret in (old, new):
            with pytest.raises(WebhookVerificationError):
                Webhook(secret).verify(body, headers)

    def test_an_overlap_ends(self) -> None:
        made = datetime(2026, 11, 23, tzinfo=UTC)
        before = Endpoint(
            id=UUID(int=1),
            practice_id=PRACTICE,
            version=1,
            url="https://hooks.example",
            description=None,
            events=ALL,
            secret=secret_place(1),
            created_at=made,
        )
        after = before.rotated(SECRETS.current, timedelta(hours=1), made)
        assert [place.generation for place in after.signing(made)] == [2, 1]
        assert [place.generation for place in after.signing(made + timedelta(hours=1))] == [2]

    def test_each_endpoint_has_a_secret_of_its_own(self) -> None:
        secrets = {SECRETS.shown(UUID(int=n), secret_place(g)) for n in range(10) for g in range(1, 4)}
        assert len(secrets) == 30
        assert all(each.startswith("whsec_") for each in secrets)


def secret_place(generation: int) -> SecretPlace:
    return SecretPlace(SECRETS.current, generation)


@pytest.mark.parametrize("batch", [1, 2, 1_000])
async def test_all_that_is_old_goes_batch_by_batch(parts: Bench, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace_notifications.sweep.BATCH", batch)
    to = await endpoint(parts)
    await parts.tell(*(appointment(FRIDAY, identifier=f"a{n}") for n in range(5)))
    await parts.deliver_due()
    parts.clock.advance(days=29)
    await Sweep(parts.database, parts.clock).once()
    assert len(await log(parts, to)) == 5
    parts.clock.advance(days=2)
    await Sweep(parts.database, parts.clock).once()
    assert await log(parts, to) == []


async def test_a_message_that_was_sent_again_is_kept_with_its_log(parts: Bench) -> None:
    to = await endpoint(parts)
    await parts.tell(appointment(FRIDAY), appointment(FRIDAY, identifier="a2"))
    await parts.deliver_due()
    parts.clock.advance(days=29)
    kept = (await log(parts, to))[0].message_id
    async with parts.database.transaction() as session:
        await repository.add(session, [(to.id, kept)], Uuid7(), utc_now(parts.clock))
    parts.clock.advance(days=2)
    await Sweep(parts.database, parts.clock).once()
    assert [each.message_id for each in await log(parts, to)] == [kept, kept]
    parts.clock.advance(days=29)
    await Sweep(parts.database, parts.clock).once()
    assert await log(parts, to) == []


async def test_old_messages_are_forgotten_with_their_log(parts: Bench) -> None:
    to = await endpoint(parts)
    await parts.tell(appointment(FRIDAY))
    await parts.deliver_due()
    parts.clock.advance(days=31)
    await parts.tell(appointment(utc_now(parts.clock) + timedelta(days=1), identifier="a2"))
    await Sweep(parts.database, parts.clock).once()
    assert [each.state for each in await log(parts, to)] == [State.PENDING]
    async with parts.database.read() as session:
        count, _ = await repository.counts(session, utc_now(parts.clock))
    assert count == 1
