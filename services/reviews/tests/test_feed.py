"""What the service takes from the feed and what it tells: visits, erasures, summaries."""

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
from millrace_reviews.summary.model import Averages, Prior, Totals, averages
from millrace_reviews.sweep import Sweep

from .running import DAY, NPI, OTHER_NPI, STARS, Service, appointment_of, running, settings_for

CANARY = "Zqxcanary"


class TestVisits:
    async def test_the_newest_version_counts_however_they_come(self, service: Service) -> None:
        ada = service.caller()
        visit = await service.appointment(ada, version=3)
        late = appointment_of(ada.id, service.clock, id=visit.id, state="booked", completed_at=None)
        await service.tell(APPOINTMENT, late, 2)
        await service.tell(APPOINTMENT, visit, 3)
        assert (await service.try_review(ada, visit.id)).status_code == 201

    async def test_a_review_stands_when_the_practice_takes_the_completion_back(self, service: Service) -> None:
        ada = service.caller()
        visit = await service.appointment(ada)
        await service.try_review(ada, visit.id)
        undone = appointment_of(ada.id, service.clock, id=visit.id, state="no_show", completed_at=None)
        await service.tell(APPOINTMENT, undone, 2)
        await service.tell(APPOINTMENT, undone, 3, deleted=True)
        assert len(await service.public()) == 1

    async def test_what_cannot_be_read_is_parked_and_the_rest_goes_on(self, service: Service) -> None:
        await service.put_raw("appointment/x", b"not an envelope")
        await service.appointment(service.caller(), start="soon")
        assert await service.letters.count("reviews") == 2
        assert (await service.review())["state"] == "published"

    async def test_those_that_nobody_can_review_any_more_are_forgotten(self, service: Service) -> None:
        ada = service.caller()
        kept = await service.review(ada)
        for state in ("completed", "no_show"):
            await service.appointment(ada, state=state, completed_at=None)
        units = service.app.state.reviews.reviews.units
        sweep = Sweep(units, timedelta(days=90))
        await sweep.once()
        assert len((await dump(service, metadata.tables["visit"])).split(ada.id)) == 4
        service.clock.now += 160 * DAY
        recent = await service.appointment(ada)
        await sweep.once()
        async with service.database.read() as session:
            left = set((await session.execute(select(metadata.tables["visit"].c.id))).scalars())
        assert left == {kept["appointment_id"], recent.id}
        assert (await service.try_review(ada, recent.id)).status_code == 201


class TestErasure:
    async def test_words_and_author_go_and_stars_stay(self, service: Service) -> None:
        ada = service.caller()
        made = await service.review(ada, text="It was about my knee.")
        staff = service.staff()
        path = f"/v1/reviews/{made['id']}"
        await service.client.put(f"{path}/reply", json={"text": "Your knee is fine."}, headers=staff.headers)
        pending = await service.review(ada, text="a@example.org")
        other = await service.review()
        await service.client.put(f"/v1/reviews/{other['id']}/flag", json={"reason": "abusive"}, headers=ada.headers)
        before = await service.summaries()
        await service.erase(ada)
        kept = (await service.public())[1]
        assert (kept["id"], kept["overall"], kept["text"], kept["reply"]) == (made["id"], 5, None, None)
        assert await service.summaries() == before
        for review in (made, pending):
            assert (await service.client.get(f"/v1/reviews/{review['id']}", headers=ada.headers)).status_code == 404
        for table in metadata.sorted_tables:
            held = await dump(service, table)
            assert "knee" not in held
            assert table.name == "patient" or ada.id not in held, table.name

    async def test_nothing_brings_the_patient_back(self, service: Service) -> None:
        ada = service.caller()
        visit = await service.appointment(ada)
        await service.erase(ada)
        await service.tell(PATIENT, Patient(id=ada.id, state="active"), 1)
        again = await service.appointment(ada, id=visit.id, version=2)
        assert (await service.try_review(ada, again.id)).status_code == 404
        assert ada.id not in await dump(service, metadata.tables["visit"])

    async def test_one_who_was_erased_before_any_visit_came_is_not_known(self, service: Service) -> None:
        ada = service.caller()
        await service.erase(ada)
        visit = await service.appointment(ada)
        assert (await service.try_review(ada, visit.id)).status_code == 404


class TestSummaries:
    async def test_each_step_is_told_under_its_version(self, service: Service) -> None:
        ada, bob = service.caller(), service.caller()
        first = await service.review(ada)
        second = await service.review(bob, overall=1)
        await service.client.put(f"/v1/reviews/{second['id']}", json={**STARS, "overall": 2}, headers=bob.at(1))
        await service.client.put(
            f"/v1/reviews/{second['id']}", json=STARS | {"overall": 2, "text": "x"}, headers=bob.at(2)
        )
        await service.decide(second["id"], 3, "hidden", "abusive")
        await service.client.delete(f"/v1/reviews/{first['id']}", headers=ada.at(1))
        await service.decide(second["id"], 4, "published")
        told = await service.summaries()
        assert [(version, data and (data["count"], data["overall"])) for version, data in told] == [
            (1, (1, 4.167)),
            (2, (2, 3.714 + 0.0)),
            (3, (2, 3.857)),
            (4, (1, 4.167)),
            (5, None),
            (6, (1, 3.667)),
        ]
        assert told[0][1] == {"npi": NPI, "count": 1, "overall": 4.167, "bedside_manner": 4.0, "wait_time": 3.833}
        assert [each.type.rpartition(".")[2] for each in await service.told()] == [
            "created",
            "updated",
            "updated",
            "updated",
            "deleted",
            "created",
        ]

    async def test_what_is_not_published_is_not_told_of(self, service: Service) -> None:
        await service.review(text="a@example.org")
        assert await service.told() == []

    async def test_they_agree_with_the_reviews_whatever_happens_at_once(self, service: Service) -> None:
        """A hundred moves by authors and moderators, several at a time: the last summary is the recount."""
        source = random.Random(7)
        authors = [service.caller() for _ in range(12)]
        made = [(author, (await service.review(author))["id"]) for author in authors]
        for _ in range(20):
            moves = [move(service, source, *source.choice(made)) for _ in range(5)]
            answers = await asyncio.gather(*moves)
            assert {answer.status_code for answer in answers} <= {200, 204, 404, 409, 412, 422}
        told = await service.summaries()
        assert [version for version, _ in told] == list(range(1, len(told) + 1))
        public = await service.public()
        totals = Totals(len(public), *(sum(each[name] for each in public) for name in STARS))
        expected = averages(totals, Prior(4.0, 5.0))
        last = told[-1][1] or {"npi": NPI, **dict.fromkeys(STARS, 0.0), "count": 0}
        assert Averages(**{name: value for name, value in last.items() if name != "npi"}) == expected

    async def test_a_replay_tells_all_again_under_their_versions(self, service: Service) -> None:
        ada = service.caller()
        made = await service.review(ada)
        await service.review(npi=OTHER_NPI)
        await service.review(npi=OTHER_NPI)
        await service.client.delete(f"/v1/reviews/{made['id']}", headers=ada.at(1))
        before = await service.told()
        assert (await service.client.post("/internal/reviews/replay")).json() == {"count": 2, "next": None}
        again = (await service.told())[len(before) :]
        assert {(each.subject, each.entityversion, each.deleted, each.replay) for each in again} == {
            (f"review-summary/{NPI}", 2, True, True),
            (f"review-summary/{OTHER_NPI}", 2, False, True),
        }

    async def test_another_prior_is_told_where_it_matters(self, postgres_dsn: str) -> None:
        clock = ManualClock()
        async with running(settings_for(postgres_dsn), clock) as service:
            await service.review()
            assert (await service.summaries())[-1][1]["overall"] == 4.167
            assert (await service.client.post("/internal/reviews/recompute")).json()["count"] == 1
            assert len(await service.summaries()) == 1
        changed = settings_for(postgres_dsn, reviews_prior_mean=3.0, reviews_prior_weight=1.0)
        async with running(changed, clock) as service:
            await service.client.post("/internal/reviews/recompute")
            assert await service.summaries() == [
                (2, {"npi": NPI, "count": 1, "overall": 4.0, "bedside_manner": 3.5, "wait_time": 3.0})
            ]


async def move(service: Service, source: random.Random, author: Any, identifier: str) -> Any:
    """One random move of a review's author or of a moderator, whatever version it is at."""
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


async def test_neither_words_nor_patients_are_in_feeds_logs_problems_or_urls(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ada, staff = service.caller(), service.staff()
    made = await service.review(ada, text=CANARY)
    held = await service.review(ada, text=f"{CANARY}@example.org")
    path = f"/v1/reviews/{made['id']}"
    client = service.client
    answers = [
        await service.try_review(ada, made["appointment_id"], text=CANARY),
        await service.try_review(ada, CANARY, text=CANARY),
        await service.try_review(ada, made["appointment_id"], text=CANARY * 1000),
        await service.try_review(service.caller(), made["appointment_id"], text=CANARY),
        await client.put(path, json={**STARS, "text": CANARY, "more": CANARY}, headers=ada.at(1)),
        await client.put(path, json={**STARS, "text": f"{CANARY} again"}, headers=ada.at(1)),
        await client.put(path, content=f'{{"text": "{CANARY}'.encode(), headers=ada.at(2)),
        await client.put(f"{path}/reply", json={"text": CANARY}, headers=staff.headers),
        await client.put(f"{path}/reply", json={"text": [CANARY]}, headers=staff.at(1)),
        await client.put(f"{path}/flag", json={"reason": CANARY}, headers=staff.headers),
        await client.put(f"{path}/flag", json={"reason": "abusive"}, headers=ada.headers),
        await service.decide(held["id"], 1, "published"),
        await service.decide(made["id"], 2, "hidden", "abusive"),
        await client.get("/v1/reviews/own", headers=ada.headers),
        await client.post("/internal/reviews/replay"),
        await client.get("/internal/reviews/status"),
    ]
    await service.appointment(ada, start=CANARY)
    await service.erase(ada)
    told = await service.told()
    assert told
    formatter = json_formatter("reviews")
    logged = "\n".join(formatter.format(each) for each in caplog.records if not each.name.startswith("httpx"))
    assert "request" in logged
    public = await client.get("/v1/reviews", params={"npi": NPI})
    haystacks = {
        "feed": b"\n".join(bytes(each.data) + each.subject.encode() for each in told).decode(),
        "logs": logged,
        "problems": "\n".join(each.text for each in answers if each.status_code >= 400),
        "urls": "\n".join(str(each.request.url) + each.headers.get("location", "") for each in answers),
        "public": public.text,
        "reasons": "\n".join([letter.reason async for letter in service.letters.list()]),
        "figures": answers[-1].text,
    }
    for place, haystack in haystacks.items():
        for needle in (CANARY, ada.id):
            assert needle.lower() not in haystack.lower(), (place, needle)


async def dump(service: Service, table: Table) -> str:
    """All rows as text."""
    async with service.database.read() as session:
        rows = (await session.execute(select(table))).all()
    return "\n".join(str(value) for row in rows for value in row)
