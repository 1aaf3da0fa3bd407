"""Writing, reading and changing reviews, as patients and the public see it."""

import asyncio
from typing import Any

import httpx
import pytest

from millrace_platform.pagination import Cursors

from .running import DAY, NPI, OTHER_NPI, PRACTICE, STARS, UNKNOWN, Service


def field_of(answer: httpx.Response) -> str:
    error = answer.json()["errors"][0]
    assert error["detail"]
    assert error["remedy"]
    field: str = error["field"]
    return field


class TestWriting:
    async def test_a_completed_visit_is_reviewed_once(self, service: Service) -> None:
        ada = service.caller()
        visit = await service.appointment(ada)
        first = await service.try_review(ada, visit.id, text="Listened.\r\nExplained.  ")
        assert (first.status_code, first.headers["ETag"]) == (201, '"1"')
        made = first.json()
        assert first.headers["Location"] == f"/v1/reviews/{made['id']}"
        assert made == {
            **STARS,
            "id": made["id"],
            "npi": NPI,
            "appointment_id": visit.id,
            "visit_month": "2027-01",
            "text": "Listened.\nExplained.",
            "reply": None,
            "state": "published",
            "reason": None,
            "version": 1,
        }
        assert (await service.try_review(ada, visit.id)).status_code == 409

    async def test_of_many_tries_at_once_one_is_taken(self, service: Service) -> None:
        ada = service.caller()
        visit = await service.appointment(ada)
        answers = await asyncio.gather(*(service.try_review(ada, visit.id) for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [201, *[409] * 7]
        assert [version for version, _ in await service.summaries()] == [1]

    async def test_another_ones_appointment_is_as_unknown(self, service: Service) -> None:
        ada, bob = service.caller(), service.caller()
        visit = await service.appointment(ada)
        others, unknown = await service.try_review(bob, visit.id), await service.try_review(bob, UNKNOWN)
        assert others.status_code == unknown.status_code == 404
        assert others.json()["detail"] == unknown.json()["detail"]

    @pytest.mark.parametrize("state", ["booked", "confirmed", "arrived", "cancelled", "no_show"])
    async def test_a_visit_that_did_not_end_is_not_reviewed(self, service: Service, state: str) -> None:
        ada = service.caller()
        visit = await service.appointment(ada, state=state, completed_at=None)
        answer = await service.try_review(ada, visit.id)
        assert (answer.status_code, field_of(answer)) == (422, "appointment_id")

    async def test_ninety_days_are_given_to_write_and_to_change(self, service: Service) -> None:
        ada = service.caller()
        early, late = await service.appointment(ada), await service.appointment(ada)
        service.clock.now += 90 * DAY
        made = (await service.try_review(ada, early.id)).json()
        service.clock.now += 1
        answer = await service.try_review(ada, late.id)
        assert (answer.status_code, field_of(answer)) == (422, "appointment_id")
        path, body = f"/v1/reviews/{made['id']}", {**STARS, "overall": 1}
        changed = await service.client.put(path, json=body, headers=ada.at(1))
        assert (changed.status_code, field_of(changed)) == (422, "appointment_id")
        assert (await service.client.delete(path, headers=ada.at(1))).status_code == 204

    async def test_what_is_wrong_is_named_and_never_quoted(self, service: Service) -> None:
        ada = service.caller()
        visit = await service.appointment(ada)
        for changes, field in (
            ({"overall": 6}, "overall"),
            ({"overall": "5"}, "overall"),
            ({"wait_time": 0}, "wait_time"),
            ({"bedside_manner": None}, "bedside_manner"),
            ({"text": "secret-value" * 400}, "text"),
            ({"text": "secret-value\x00"}, "text"),
            ({"colour": "secret-value"}, "colour"),
            ({"appointment_id": "secret-value"}, "appointment_id"),
        ):
            body = {"appointment_id": visit.id, **STARS, **changes}
            answer = await service.client.post("/v1/reviews", json=body, headers=ada.headers)
            assert (answer.status_code, field_of(answer)) == (422, field)
            assert "secret-value" not in answer.text

    async def test_it_takes_a_patient(self, service: Service) -> None:
        visit = await service.appointment(service.caller())
        for role in ("staff", "support", "admin"):
            assert (await service.try_review(service.caller(role), visit.id)).status_code == 403
        body = {"appointment_id": visit.id, **STARS}
        assert (await service.client.post("/v1/reviews", json=body)).status_code == 401


class TestChanging:
    async def test_the_author_reads_and_replaces_it(self, service: Service) -> None:
        ada = service.caller()
        made = await service.review(ada, text="Fine.")
        path = f"/v1/reviews/{made['id']}"
        shown = await service.client.get(path, headers=ada.headers)
        assert (shown.json(), shown.headers["Cache-Control"]) == (made, "no-store")
        known = await service.client.get(path, headers={**ada.headers, "If-None-Match": '"1"'})
        assert known.status_code == 304
        changed = {**made, "overall": 1, "text": "  "}
        assert (await service.client.put(path, json=changed, headers=ada.headers)).status_code == 428
        assert (await service.client.put(path, json=changed, headers=ada.at(9))).status_code == 412
        answer = await service.client.put(path, json=changed, headers=ada.at(1))
        assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
        assert (answer.json()["overall"], answer.json()["text"]) == (1, None)
        again = await service.client.put(path, json=changed, headers=ada.at(2))
        assert (again.status_code, again.headers["ETag"]) == (200, '"2"')

    async def test_of_many_changes_at_once_one_wins(self, service: Service) -> None:
        ada = service.caller()
        made = await service.review(ada)
        path = f"/v1/reviews/{made['id']}"
        answers = await asyncio.gather(
            *(service.client.put(path, json={**STARS, "text": f"{n}"}, headers=ada.at(1)) for n in range(6))
        )
        assert sorted(answer.status_code for answer in answers) == [200, *[412] * 5]

    async def test_what_is_withdrawn_is_gone_for_good(self, service: Service) -> None:
        ada = service.caller()
        made = await service.review(ada)
        path = f"/v1/reviews/{made['id']}"
        assert (await service.client.delete(path, headers=ada.headers)).status_code == 428
        assert (await service.client.delete(path, headers=ada.at(1))).status_code == 204
        for answer in (
            await service.client.get(path, headers=ada.headers),
            await service.client.delete(path, headers=ada.at("2")),
            await service.client.put(path, json=STARS, headers=ada.at("2")),
        ):
            assert answer.status_code == 404
        assert await service.public() == []
        assert (await service.client.get("/v1/reviews/own", headers=ada.headers)).json()["items"] == []
        assert (await service.try_review(ada, made["appointment_id"])).status_code == 409


class TestReading:
    async def test_everybody_reads_what_is_published_and_nothing_of_who_wrote_it(self, service: Service) -> None:
        made = await service.review(text="Kind.")
        await service.review(text="See www.example.com")
        await service.review(npi=OTHER_NPI)
        assert await service.public() == [
            {**STARS, "id": made["id"], "npi": NPI, "visit_month": "2027-01", "text": "Kind.", "reply": None}
        ]

    async def test_an_id_tells_no_time(self, service: Service) -> None:
        assert {(await service.review())["id"][14] for _ in range(3)} == {"4"}

    async def test_pages_run_from_the_newest_and_skip_nobody_while_reviews_come_and_go(self, service: Service) -> None:
        authors = [service.caller() for _ in range(7)]
        made = [await service.review(author) for author in authors]
        seen: list[str] = []
        link: str | None = f"/v1/reviews?npi={NPI}&limit=3"
        while link is not None:
            answer = await service.client.get(link)
            seen += [each["id"] for each in answer.json()["items"]]
            link = answer.links["next"]["url"] if "next" in answer.links else None
            assert (link is None) == (answer.json()["next"] is None)
            if len(seen) == 3:
                await service.review()
                last = made[4]
                path = f"/v1/reviews/{last['id']}"
                assert (await service.client.delete(path, headers=authors[4].at(1))).status_code == 204
        assert seen == [each["id"] for each in reversed(made)]

    async def test_a_cursor_belongs_to_its_list(self, service: Service) -> None:
        for _ in range(2):
            await service.review()
        cursor = (await service.client.get("/v1/reviews", params={"npi": NPI, "limit": 1})).json()["next"]
        for params in ({"npi": OTHER_NPI, "cursor": cursor}, {"npi": NPI, "cursor": cursor + "x"}):
            answer = await service.client.get("/v1/reviews", params=params)
            assert (answer.status_code, field_of(answer)) == (422, "cursor")
        for position in (-(2**63), 2**64 - 1):
            made_up = Cursors("reviews", int).write(position, filters={"": "/v1/reviews", "npi": NPI})
            answer = await service.client.get("/v1/reviews", params={"npi": NPI, "cursor": made_up})
            assert answer.status_code == 200
        own = await service.client.get("/v1/reviews/own", params={"cursor": cursor}, headers=service.caller().headers)
        assert own.status_code == 422

    async def test_one_reads_ones_own_in_every_state(self, service: Service) -> None:
        ada = service.caller()
        made = [await service.review(ada, text=text) for text in ("Fine.", "mail me: a@example.org", None)]
        await service.review()
        listed = await service.client.get("/v1/reviews/own", params={"limit": 2}, headers=ada.headers)
        rest = await service.client.get(listed.links["next"]["url"], headers=ada.headers)
        assert [*listed.json()["items"], *rest.json()["items"]] == made[::-1]
        assert {each["state"] for each in made} == {"published", "pending"}

    async def test_the_month_is_that_at_the_place(self, service: Service) -> None:
        ada = service.caller()
        visit = await service.appointment(ada, start="2026-12-31T23:30:00-08:00")
        assert (await service.try_review(ada, visit.id)).json()["visit_month"] == "2026-12"

    async def test_a_provider_is_named_by_an_npi(self, service: Service) -> None:
        for params in ({}, {"npi": "12"}):
            answer: Any = await service.client.get("/v1/reviews", params=params)
            assert (answer.status_code, field_of(answer)) == (422, "npi")


async def test_the_practice_of_a_visit_without_one_is_that_of_the_place(service: Service) -> None:
    place = "01890a5d-ac96-774b-bcce-b302099a9999"
    ada, staff = service.caller(), service.staff()
    visit = await service.appointment(ada, practice_id=None, provider_location_id=place)
    made = (await service.try_review(ada, visit.id)).json()
    listed = f"/v1/reviews/practices/{PRACTICE}"
    assert (await service.client.get(listed, headers=staff.headers)).json()["items"] == []
    await service.place(place, PRACTICE)
    assert [each["id"] for each in (await service.client.get(listed, headers=staff.headers)).json()["items"]] == [
        made["id"]
    ]
    reply = await service.client.put(f"/v1/reviews/{made['id']}/reply", json={"text": "Thanks."}, headers=staff.headers)
    assert reply.status_code == 201
