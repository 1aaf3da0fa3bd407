"""Creating, reading and changing reviews through the API."""

import asyncio
from typing import Any

import httpx
import pytest

from millrace_feeds.clock import rfc3339
from millrace_platform.pagination import Cursors

from .running import DAY, NPI, OTHER_NPI, PRACTICE, STARS, UNKNOWN, Service


def field_of(response: httpx.Response) -> str:
    error = response.json()["errors"][0]
    assert error["detail"]
    assert error["remedy"]
    field: str = error["field"]
    return field


class TestCreate:
    async def test_completed_visit_is_reviewed_once(self, service: Service) -> None:
        ada = service.caller()
        visit = await service.appointment(ada)
        first = await service.try_review(ada, visit.id, text="Listened.\r\nExplained.  ")
        assert (first.status_code, first.headers["ETag"]) == (201, '"1"')
        created = first.json()
        assert first.headers["Location"] == f"/v1/reviews/{created['id']}"
        assert created == {
            **STARS,
            "id": created["id"],
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

    async def test_one_of_concurrent_creations_succeeds(self, service: Service) -> None:
        ada = service.caller()
        visit = await service.appointment(ada)
        responses = await asyncio.gather(*(service.try_review(ada, visit.id) for _ in range(8)))
        assert sorted(response.status_code for response in responses) == [201, *[409] * 7]
        assert [version for version, _ in await service.summaries()] == [1]

    async def test_appointment_of_another_patient_is_not_found(self, service: Service) -> None:
        ada, bob = service.caller(), service.caller()
        visit = await service.appointment(ada)
        others, unknown = await service.try_review(bob, visit.id), await service.try_review(bob, UNKNOWN)
        assert others.status_code == unknown.status_code == 404
        assert others.json()["detail"] == unknown.json()["detail"]

    @pytest.mark.parametrize("state", ["booked", "confirmed", "arrived", "cancelled", "no_show"])
    async def test_visit_that_is_not_completed_cannot_be_reviewed(self, service: Service, state: str) -> None:
        ada = service.caller()
        visit = await service.appointment(ada, state=state, completed_at=None)
        response = await service.try_review(ada, visit.id)
        assert (response.status_code, field_of(response)) == (422, "appointment_id")

    async def test_review_is_created_and_changed_within_ninety_days(self, service: Service) -> None:
        ada = service.caller()
        early, late = await service.appointment(ada), await service.appointment(ada)
        service.clock.now += 90 * DAY
        created = (await service.try_review(ada, early.id)).json()
        service.clock.now += 1
        response = await service.try_review(ada, late.id)
        assert (response.status_code, field_of(response)) == (422, "appointment_id")
        path, body = f"/v1/reviews/{created['id']}", {**STARS, "overall": 1}
        changed = await service.client.put(path, json=body, headers=ada.at(1))
        assert (changed.status_code, field_of(changed)) == (422, "appointment_id")
        assert (await service.client.delete(path, headers=ada.at(1))).status_code == 204

    async def test_invalid_fields_are_named_but_not_quoted(self, service: Service) -> None:
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
            response = await service.client.post("/v1/reviews", json=body, headers=ada.headers)
            assert (response.status_code, field_of(response)) == (422, field)
            assert "secret-value" not in response.text

    async def test_only_patients_create_reviews(self, service: Service) -> None:
        visit = await service.appointment(service.caller())
        for role in ("staff", "support", "admin"):
            assert (await service.try_review(service.caller(role), visit.id)).status_code == 403
        body = {"appointment_id": visit.id, **STARS}
        assert (await service.client.post("/v1/reviews", json=body)).status_code == 401


class TestChange:
    async def test_author_reads_and_replaces_a_review(self, service: Service) -> None:
        ada = service.caller()
        created = await service.review(ada, text="Fine.")
        path = f"/v1/reviews/{created['id']}"
        shown = await service.client.get(path, headers=ada.headers)
        assert (shown.json(), shown.headers["Cache-Control"]) == (created, "no-store")
        known = await service.client.get(path, headers={**ada.headers, "If-None-Match": '"1"'})
        assert known.status_code == 304
        changed = {**created, "overall": 1, "text": "  "}
        assert (await service.client.put(path, json=changed, headers=ada.headers)).status_code == 428
        assert (await service.client.put(path, json=changed, headers=ada.at(9))).status_code == 412
        response = await service.client.put(path, json=changed, headers=ada.at(1))
        assert (response.status_code, response.headers["ETag"]) == (200, '"2"')
        assert (response.json()["overall"], response.json()["text"]) == (1, None)
        again = await service.client.put(path, json=changed, headers=ada.at(2))
        assert (again.status_code, again.headers["ETag"]) == (200, '"2"')

    async def test_one_of_concurrent_changes_succeeds(self, service: Service) -> None:
        ada = service.caller()
        created = await service.review(ada)
        path = f"/v1/reviews/{created['id']}"
        responses = await asyncio.gather(
            *(service.client.put(path, json={**STARS, "text": f"{n}"}, headers=ada.at(1)) for n in range(6))
        )
        assert sorted(response.status_code for response in responses) == [200, *[412] * 5]

    async def test_withdrawal_is_final(self, service: Service) -> None:
        ada = service.caller()
        created = await service.review(ada)
        path = f"/v1/reviews/{created['id']}"
        assert (await service.client.delete(path, headers=ada.headers)).status_code == 428
        assert (await service.client.delete(path, headers=ada.at(1))).status_code == 204
        for response in (
            await service.client.get(path, headers=ada.headers),
            await service.client.delete(path, headers=ada.at("2")),
            await service.client.put(path, json=STARS, headers=ada.at("2")),
        ):
            assert response.status_code == 404
        assert await service.public() == []
        assert (await service.client.get("/v1/reviews/own", headers=ada.headers)).json()["items"] == []
        assert (await service.try_review(ada, created["appointment_id"])).status_code == 409


class TestRead:
    async def test_public_list_shows_published_reviews_without_author(self, service: Service) -> None:
        created = await service.review(text="Kind.")
        await service.review(text="See www.example.com")
        await service.review(npi=OTHER_NPI)
        assert await service.public() == [
            {**STARS, "id": created["id"], "npi": NPI, "visit_month": "2027-01", "text": "Kind.", "reply": None}
        ]

    async def test_review_ids_are_not_time_ordered(self, service: Service) -> None:
        assert {(await service.review())["id"][14] for _ in range(3)} == {"4"}

    async def test_pages_are_consistent_while_reviews_change(self, service: Service) -> None:
        authors = [service.caller() for _ in range(7)]
        created = [await service.review(author) for author in authors]
        seen: list[str] = []
        link: str | None = f"/v1/reviews?npi={NPI}&limit=3"
        while link is not None:
            response = await service.client.get(link)
            seen += [each["id"] for each in response.json()["items"]]
            link = response.links["next"]["url"] if "next" in response.links else None
            assert (link is None) == (response.json()["next"] is None)
            if len(seen) == 3:
                await service.review()
                last = created[4]
                path = f"/v1/reviews/{last['id']}"
                assert (await service.client.delete(path, headers=authors[4].at(1))).status_code == 204
        assert seen == [each["id"] for each in reversed(created)]

    async def test_cursor_of_another_list_is_rejected(self, service: Service) -> None:
        for _ in range(2):
            await service.review()
        cursor = (await service.client.get("/v1/reviews", params={"npi": NPI, "limit": 1})).json()["next"]
        for params in ({"npi": OTHER_NPI, "cursor": cursor}, {"npi": NPI, "cursor": cursor + "x"}):
            response = await service.client.get("/v1/reviews", params=params)
            assert (response.status_code, field_of(response)) == (422, "cursor")
        for position, status in ((-(2**63), 200), (2**63 - 1, 200), (2**63, 422)):
            made_up = Cursors("reviews", int).write(position, filters={"": "/v1/reviews", "npi": NPI})
            response = await service.client.get("/v1/reviews", params={"npi": NPI, "cursor": made_up})
            assert response.status_code == status
        own = await service.client.get("/v1/reviews/own", params={"cursor": cursor}, headers=service.caller().headers)
        assert own.status_code == 422

    async def test_author_lists_own_reviews_in_every_state(self, service: Service) -> None:
        ada = service.caller()
        created = [await service.review(ada, text=text) for text in ("Fine.", "mail me: a@example.org", None)]
        await service.review()
        listed = await service.client.get("/v1/reviews/own", params={"limit": 2}, headers=ada.headers)
        rest = await service.client.get(listed.links["next"]["url"], headers=ada.headers)
        assert [*listed.json()["items"], *rest.json()["items"]] == created[::-1]
        assert {each["state"] for each in created} == {"published", "pending"}

    async def test_visit_can_be_reviewed_from_its_start_on(self, service: Service) -> None:
        ada = service.caller()
        visit = await service.appointment(ada, start=rfc3339(service.clock.time() + 60))
        early = await service.try_review(ada, visit.id)
        assert (early.status_code, early.json()["errors"][0]["field"]) == (422, "appointment_id")
        service.clock.now += 60
        assert (await service.try_review(ada, visit.id)).status_code == 201

    async def test_visit_month_is_local_to_the_practice(self, service: Service) -> None:
        ada = service.caller()
        visit = await service.appointment(ada, start="2026-12-31T23:30:00-08:00")
        assert (await service.try_review(ada, visit.id)).json()["visit_month"] == "2026-12"

    async def test_list_requires_a_valid_npi(self, service: Service) -> None:
        for params in ({}, {"npi": "12"}):
            response: Any = await service.client.get("/v1/reviews", params=params)
            assert (response.status_code, field_of(response)) == (422, "npi")


async def test_practice_defaults_to_that_of_the_provider_location(service: Service) -> None:
    location = "01890a5d-ac96-774b-bcce-b302099a9999"
    ada, staff = service.caller(), service.staff()
    visit = await service.appointment(ada, practice_id=None, provider_location_id=location)
    created = (await service.try_review(ada, visit.id)).json()
    listed = f"/v1/reviews/practices/{PRACTICE}"
    assert (await service.client.get(listed, headers=staff.headers)).json()["items"] == []
    await service.publish_location(location, PRACTICE)
    items = (await service.client.get(listed, headers=staff.headers)).json()["items"]
    assert [each["id"] for each in items] == [created["id"]]
    path = f"/v1/reviews/{created['id']}/reply"
    assert (await service.client.put(path, json={"text": "Thanks."}, headers=staff.headers)).status_code == 201
