"""Consumed visits and erasures, and published summaries."""

import asyncio
import logging
import random
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Table, select

from millrace_contracts.entities import Patient
from millrace_contracts.registry import APPOINTMENT, PATIENT
from millrace_platform.logging import json_formatter
from millrace_platform.testing import ManualClock
from millrace_reviews.schema import metadata
from millrace_reviews.summary.model import Averages, Prior, Totals, compute_averages
from millrace_reviews.sweep import Sweep

from .running import DAY, NPI, OTHER_NPI, STARS, Service, appointment_of, running

CANARY = "Zqxcanary"


class TestVisits:
    async def test_newest_version_wins_in_any_order(self, service: Service) -> None:
        ada = service.caller()
        visit = await service.appointment(ada, version=3)
        late = appointment_of(ada.id, service.clock, id=visit.id, state="booked", completed_at=None)
        await service.publish_entity(APPOINTMENT, late, 2)
        await service.publish_entity(APPOINTMENT, visit, 3)
        assert (await service.try_review(ada, visit.id)).status_code == 201

    async def test_review_remains_after_its_visit_is_no_longer_completed(self, service: Service) -> None:
        ada = service.caller()
        visit = await service.appointment(ada)
        await service.try_review(ada, visit.id)
        undone = appointment_of(ada.id, service.clock, id=visit.id, state="no_show", completed_at=None)
        await service.publish_entity(APPOINTMENT, undone, 2)
        await service.publish_entity(APPOINTMENT, undone, 3, deleted=True)
        assert len(await service.public()) == 1

    async def test_invalid_records_are_dead_lettered(self, service: Service) -> None:
        await service.put_raw("appointment/x", b"not an envelope")
        await service.appointment(service.caller(), start="soon")
        assert await service.feeds.dead_letters.count("reviews") == 2
        assert (await service.review())["state"] == "published"

    async def test_sweep_deletes_visits_that_cannot_be_reviewed(self, service: Service) -> None:
        ada = service.caller()
        remaining = await service.review(ada)
        for state in ("completed", "no_show"):
            await service.appointment(ada, state=state, completed_at=None)
        units = service.app.state.reviews.reviews.units
        sweep = Sweep(units, timedelta(days=90))
        await sweep.run_once()
        assert len((await dump(service, metadata.tables["visit"])).split(ada.id)) == 4
        service.clock.now += 160 * DAY
        recent = await service.appointment(ada)
        await sweep.run_once()
        async with service.database.read() as session:
            left = set((await session.execute(select(metadata.tables["visit"].c.id))).scalars())
        assert left == {remaining["appointment_id"], recent.id}
        assert (await service.try_review(ada, recent.id)).status_code == 201


class TestErasure:
    async def test_erasure_removes_texts_and_author_but_not_stars(self, service: Service) -> None:
        ada = service.caller()
        created = await service.review(ada, text="It was about my knee.")
        staff = service.staff()
        path = f"/v1/reviews/{created['id']}"
        await service.client.put(f"{path}/reply", json={"text": "Your knee is fine."}, headers=staff.headers)
        pending = await service.review(ada, text="a@example.org")
        other = await service.review()
        await service.client.put(f"/v1/reviews/{other['id']}/flag", json={"reason": "abusive"}, headers=ada.headers)
        before = await service.summaries()
        await service.erase(ada)
        remaining = (await service.public())[1]
        assert remaining == {**remaining, "id": created["id"], "overall": 5, "text": None, "reply": None}
        assert await service.summaries() == before
        for review in (created, pending):
            assert (await service.client.get(f"/v1/reviews/{review['id']}", headers=ada.headers)).status_code == 404
        for table in metadata.sorted_tables:
            rows = await dump(service, table)
            assert "knee" not in rows
            assert table.name in ("patient", "audit_entry") or ada.id not in rows, table.name

    async def test_later_events_do_not_restore_an_erased_patient(self, service: Service) -> None:
        ada = service.caller()
        visit = await service.appointment(ada)
        await service.erase(ada)
        await service.publish_entity(PATIENT, Patient(id=ada.id, state="active"), 1)
        again = await service.appointment(ada, id=visit.id, version=2)
        assert (await service.try_review(ada, again.id)).status_code == 404
        assert ada.id not in await dump(service, metadata.tables["visit"])

    async def test_patient_erased_before_the_first_visit_cannot_review(self, service: Service) -> None:
        ada = service.caller()
        await service.erase(ada)
        visit = await service.appointment(ada)
        assert (await service.try_review(ada, visit.id)).status_code == 404


class TestSummaries:
    async def test_each_change_publishes_the_next_version(self, service: Service) -> None:
        ada, bob = service.caller(), service.caller()
        first = await service.review(ada)
        second = await service.review(bob, overall=1)
        path = f"/v1/reviews/{second['id']}"
        await service.client.put(path, json={**STARS, "overall": 2}, headers=bob.at(1))
        await service.client.put(path, json={**STARS, "overall": 2, "text": "x"}, headers=bob.at(2))
        await service.decide(second["id"], 3, "hidden", "abusive")
        await service.client.delete(f"/v1/reviews/{first['id']}", headers=ada.at(1))
        await service.decide(second["id"], 4, "published")
        published = await service.summaries()
        assert [(version, data and (data["count"], data["overall"])) for version, data in published] == [
            (1, (1, 4.167)),
            (2, (2, 3.714)),
            (3, (2, 3.857)),
            (4, (1, 4.167)),
            (5, None),
            (6, (1, 3.667)),
        ]
        assert published[0][1] == {"npi": NPI, "count": 1, "overall": 4.167, "bedside_manner": 4.0, "wait_time": 3.833}
        types = [each.type.rpartition(".")[2] for each in await service.published()]
        assert types == ["created", "updated", "updated", "updated", "deleted", "created"]

    async def test_pending_review_publishes_no_summary(self, service: Service) -> None:
        await service.review(text="a@example.org")
        assert await service.published() == []

    async def test_summary_matches_the_reviews_after_concurrent_changes(self, service: Service) -> None:
        """The last summary equals a recount after a hundred changes by authors and moderators, five at a time."""
        source = random.Random(7)
        authors = [service.caller() for _ in range(12)]
        created = [(author, (await service.review(author))["id"]) for author in authors]
        for _ in range(20):
            changes = [make_random_change(service, source, *source.choice(created)) for _ in range(5)]
            responses = await asyncio.gather(*changes)
            assert {response.status_code for response in responses} <= {200, 204, 404, 409, 412, 422}
        published = await service.summaries()
        assert [version for version, _ in published] == list(range(1, len(published) + 1))
        public = await service.public()
        totals = Totals(len(public), *(sum(each[name] for each in public) for name in STARS))
        expected = compute_averages(totals, Prior(4.0, 5.0))
        last = published[-1][1] or {"npi": NPI, **dict.fromkeys(STARS, 0.0), "count": 0}
        assert Averages(**{name: value for name, value in last.items() if name != "npi"}) == expected

    async def test_replay_publishes_all_summaries_with_their_versions(self, service: Service) -> None:
        ada = service.caller()
        created = await service.review(ada)
        await service.review(npi=OTHER_NPI)
        await service.review(npi=OTHER_NPI)
        await service.client.delete(f"/v1/reviews/{created['id']}", headers=ada.at(1))
        before = await service.published()
        assert (await service.client.post("/internal/reviews/replay")).json() == {"count": 2, "next": None}
        again = (await service.published())[len(before) :]
        assert {(each.subject, each.entityversion, each.is_deletion, each.replay) for each in again} == {
            (f"review-summary/{NPI}", 2, True, True),
            (f"review-summary/{OTHER_NPI}", 2, False, True),
        }

    async def test_recompute_publishes_summaries_changed_by_a_new_prior(self, postgres_dsn: str) -> None:
        clock = ManualClock()
        async with running(postgres_dsn, clock) as service:
            await service.review()
            assert (await service.summaries())[-1][1]["overall"] == 4.167
            assert (await service.client.post("/internal/reviews/recompute")).json()["count"] == 1
            assert len(await service.summaries()) == 1
        async with running(postgres_dsn, clock, reviews_prior_mean=3.0, reviews_prior_weight=1.0) as service:
            await service.client.post("/internal/reviews/recompute")
            assert await service.summaries() == [
                (2, {"npi": NPI, "count": 1, "overall": 4.0, "bedside_manner": 3.5, "wait_time": 3.0})
            ]


async def make_random_change(service: Service, source: random.Random, author: Any, identifier: str) -> Any:
    """Send one random change by a review's author or a moderator."""
    path = f"/v1/reviews/{identifier}"
    kind = source.randrange(10)
    if kind == 0:
        return await service.client.delete(path, headers=author.at("*") | {"If-Match": "*"})
    if kind < 6:
        text = source.choice([None, "Fine.", "www.example.com"])
        body = {name: source.randint(1, 5) for name in STARS} | {"text": text}
        return await service.client.put(path, json=body, headers={**author.headers, "If-Match": "*"})
    body = {"state": source.choice(["published", "hidden", "rejected"]), "reason": "abusive"}
    headers = {**service.caller("support").headers, "If-Match": "*"}
    return await service.client.put(f"{path}/moderation", json=body, headers=headers)


async def test_texts_and_patient_ids_are_not_in_feeds_logs_problems_or_urls(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ada, staff = service.caller(), service.staff()
    created = await service.review(ada, text=CANARY)
    pending = await service.review(ada, text=f"{CANARY}@example.org")
    path = f"/v1/reviews/{created['id']}"
    client = service.client
    responses = [
        await service.try_review(ada, created["appointment_id"], text=CANARY),
        await service.try_review(ada, CANARY, text=CANARY),
        await service.try_review(ada, created["appointment_id"], text=CANARY * 1000),
        await service.try_review(service.caller(), created["appointment_id"], text=CANARY),
        await client.put(path, json={**STARS, "text": CANARY, "more": CANARY}, headers=ada.at(1)),
        await client.put(path, json={**STARS, "text": f"{CANARY} again"}, headers=ada.at(1)),
        await client.put(path, content=f'{{"text": "{CANARY}'.encode(), headers=ada.at(2)),
        await client.put(f"{path}/reply", json={"text": CANARY}, headers=staff.headers),
        await client.put(f"{path}/reply", json={"text": [CANARY]}, headers=staff.at(1)),
        await client.put(f"{path}/flag", json={"reason": CANARY}, headers=staff.headers),
        await client.put(f"{path}/flag", json={"reason": "abusive"}, headers=ada.headers),
        await service.decide(pending["id"], 1, "published"),
        await service.decide(created["id"], 2, "hidden", "abusive"),
        await client.get("/v1/reviews/own", headers=ada.headers),
        await client.post("/internal/reviews/replay"),
        await client.get("/internal/reviews/status"),
    ]
    await service.appointment(ada, start=CANARY)
    await service.erase(ada)
    published = await service.published()
    assert published
    formatter = json_formatter("reviews")
    logged = "\n".join(formatter.format(each) for each in caplog.records if not each.name.startswith("httpx"))
    assert "request" in logged
    public = await client.get("/v1/reviews", params={"npi": NPI})
    haystacks = {
        "feed": b"\n".join(bytes(each.data) + each.subject.encode() for each in published).decode(),
        "logs": logged,
        "problems": "\n".join(each.text for each in responses if each.status_code >= 400),
        "urls": "\n".join(str(each.request.url) + each.headers.get("location", "") for each in responses),
        "public": public.text,
        "reasons": "\n".join([dead_letter.reason async for dead_letter in service.feeds.dead_letters.list()]),
        "stats": responses[-1].text,
    }
    for source, haystack in haystacks.items():
        for needle in (CANARY, ada.id):
            assert needle.lower() not in haystack.lower(), (source, needle)


async def dump(service: Service, table: Table) -> str:
    """Return all rows as text."""
    async with service.database.read() as session:
        rows = (await session.execute(select(table))).all()
    return "\n".join(str(value) for row in rows for value in row)
