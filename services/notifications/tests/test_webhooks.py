"""Webhooks as practices' staff see them, over HTTP."""

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from standardwebhooks import Webhook

from millrace_feeds.testing import wait_until
from millrace_platform.authentication import Role
from millrace_platform.testing import ManualClock

from .receiving import Receiver, receiving
from .running import OTHER_PRACTICE, PRACTICE, Feed, appointment
from .serving import Service, serving

UNKNOWN = "01890a5d-ac96-774b-bcce-000000000000"


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with serving(database_url, tmp_path, notifications_webhook_loopback=True) as service:
        yield service


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


class TestEndpoints:
    async def test_its_secret_is_shown_once(self, service: Service) -> None:
        staff = service.staff(PRACTICE)
        answer = await service.client.post("/v1/webhooks", json={"url": "https://hooks.example/in"}, headers=staff)
        made = answer.json()
        assert made.pop("secret").startswith("whsec_")
        assert (answer.headers["Location"], answer.headers["ETag"]) == (f"/v1/webhooks/{made['id']}", '"1"')
        assert answer.headers["Cache-Control"] == "no-store"
        assert (made["practice_id"], made["enabled"], len(made["events"])) == (PRACTICE, True, 7)
        shown = await service.client.get(answer.headers["Location"], headers=staff)
        assert shown.json() == made
        assert "whsec_" not in (await service.client.get("/v1/webhooks", headers=staff)).text

    async def test_it_is_changed_under_its_etag(self, service: Service) -> None:
        staff = service.staff(PRACTICE)
        made = await service.make(staff)
        path, fresh = f"/v1/webhooks/{made['id']}", {**staff, "If-Match": '"1"'}
        shown = (await service.client.get(path, headers=staff)).json()
        body = {**shown, "events": ["appointment.booked"], "enabled": False}
        assert (await service.client.put(path, json=body, headers=staff)).status_code == 428
        changed = await service.client.put(path, json=body, headers=fresh)
        assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
        assert (changed.json()["disabled_because"], changed.json()["events"]) == ("by_practice", ["appointment.booked"])
        assert (await service.client.put(path, json=body, headers=fresh)).status_code == 412
        same = await service.client.put(path, json=body, headers={**staff, "If-Match": '"2"'})
        assert same.headers["ETag"] == '"2"'
        assert (await service.client.delete(path, headers=fresh)).status_code == 412
        assert (await service.client.delete(path, headers={**staff, "If-Match": '"2"'})).status_code == 204
        assert (await service.client.get(path, headers=staff)).status_code == 404

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"url": "http://hooks.example/in"}, "url"),
            ({"url": "https://10.0.0.1/"}, "url"),
            ({"url": "https://hooks.example/in", "events": []}, "events"),
            ({"url": "https://hooks.example/in", "events": ["appointment.exploded"]}, "events[0]"),
            ({"url": "https://hooks.example/in", "secret": "mine"}, "secret"),
            ({}, "url"),
        ],
    )
    async def test_what_can_not_be_is_told_by_field(self, service: Service, body: dict[str, Any], field: str) -> None:
        answer = await service.client.post("/v1/webhooks", json=body, headers=service.staff(PRACTICE))
        assert answer.status_code == 422, answer.text
        (error,) = answer.json()["errors"]
        assert error["field"] == field
        assert error["remedy"]

    async def test_pages_follow_one_another(self, service: Service) -> None:
        staff = service.staff(PRACTICE)
        made = [(await service.make(staff))["id"] for _ in range(5)]
        found, page = [], "/v1/webhooks?limit=2"
        while page:
            answer = await service.client.get(page, headers=staff)
            found += [each["id"] for each in answer.json()["items"]]
            page = answer.links["next"]["url"] if "next" in answer.links else ""
        assert found == made

    async def test_a_practice_has_only_so_many(self, service: Service) -> None:
        staff = service.staff(PRACTICE)
        for _ in range(10):
            await service.make(staff)
        body = {"url": "https://hooks.example/in"}
        assert (await service.client.post("/v1/webhooks", json=body, headers=staff)).status_code == 409
        assert (await service.make(service.staff(OTHER_PRACTICE)))["practice_id"] == OTHER_PRACTICE

    async def test_who_works_for_several_practices_names_one(self, service: Service) -> None:
        both = service.staff(PRACTICE, OTHER_PRACTICE)
        body = {"url": "https://hooks.example/in"}
        answer = await service.client.post("/v1/webhooks", json=body, headers=both)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "practice_id")
        assert (await service.make(both, practice_id=OTHER_PRACTICE))["practice_id"] == OTHER_PRACTICE
        listed = await service.client.get("/v1/webhooks", params={"practice_id": PRACTICE}, headers=both)
        assert listed.json()["items"] == []


class TestTenancy:
    async def test_anothers_ids_are_as_unknown_ones_on_every_route(self, service: Service) -> None:
        mine, theirs = service.staff(PRACTICE), service.staff(OTHER_PRACTICE)
        made = (await service.make(mine))["id"]
        delivery = (await service.client.post(f"/v1/webhooks/{made}/ping", headers=mine)).json()["id"]
        tried = 0
        for method, template in routes_with_an_id(service):
            for endpoint in (made, UNKNOWN):
                path = template.replace("{endpoint_id}", endpoint).replace("{delivery_id}", delivery)
                answer = await self.call(service, method, path, theirs)
                assert answer.status_code == 404, (method, path, answer.text)
                tried += 1
        assert tried >= 18
        unknown = f"/v1/webhooks/{made}/deliveries/{UNKNOWN}"
        assert (await service.client.get(unknown, headers=mine)).status_code == 404

    async def test_a_delivery_of_another_endpoint_is_not_found_through_ones_own(self, service: Service) -> None:
        mine, theirs = service.staff(PRACTICE), service.staff(OTHER_PRACTICE)
        made, other = (await service.make(mine))["id"], (await service.make(theirs))["id"]
        delivery = (await service.client.post(f"/v1/webhooks/{made}/ping", headers=mine)).json()["id"]
        path = f"/v1/webhooks/{other}/deliveries/{delivery}"
        assert (await service.client.get(path, headers=theirs)).status_code == 404
        assert (await service.client.post(f"{path}/redeliver", headers=theirs)).status_code == 404

    async def test_anothers_practice_is_not_known(self, service: Service) -> None:
        body = {"url": "https://hooks.example/in", "practice_id": OTHER_PRACTICE}
        answer = await service.client.post("/v1/webhooks", json=body, headers=service.staff(PRACTICE))
        assert answer.status_code == 404
        listed = await service.client.get(
            "/v1/webhooks", params={"practice_id": OTHER_PRACTICE}, headers=service.staff(PRACTICE)
        )
        assert listed.json()["items"] == []

    @pytest.mark.parametrize("role", [Role.PATIENT, Role.SUPPORT, Role.ADMIN])
    async def test_it_is_for_staff_only(self, service: Service, role: Role) -> None:
        for method, template in [*routes_with_an_id(service), ("GET", "/v1/webhooks"), ("POST", "/v1/webhooks")]:
            path = template.replace("{endpoint_id}", UNKNOWN).replace("{delivery_id}", UNKNOWN)
            assert (await self.call(service, method, path, service.bearer(role))).status_code == 403
            assert (await self.call(service, method, path, {})).status_code == 401

    async def call(self, service: Service, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
        body: dict[str, Any] = {}
        if method == "PUT" or (method, path) == ("POST", "/v1/webhooks"):
            body = {"url": "https://hooks.example/in"}
        elif path.endswith("/redeliver") and "/deliveries/" not in path:
            body = {"since": "2026-01-01T00:00:00Z"}
        sent = None if method == "GET" else body
        return await service.client.request(method, path, json=sent, headers={**headers, "If-Match": '"1"'})


def routes_with_an_id(service: Service) -> list[tuple[str, str]]:
    """Method and path template of each."""
    found = [
        (method, route.path or "")
        for route in iter_route_contexts(service.app.routes)
        for method in sorted(route.methods or ())
    ]
    return [(method, path) for method, path in found if path.startswith("/v1/webhooks/{")]


class TestDeliveries:
    async def delivered(self, service: Service, path: str, staff: dict[str, str], count: int) -> list[dict[str, Any]]:
        """The log, once it has so many deliveries that arrived."""
        while True:
            answer = await service.client.get(path, params={"state": "delivered"}, headers=staff)
            found: list[dict[str, Any]] = answer.json()["items"]
            if len(found) >= count:
                return found

    async def test_a_ping_arrives_signed_and_is_logged(self, service: Service, receiver: Receiver) -> None:
        staff = service.staff(PRACTICE)
        made = await service.make(staff, url=f"http://127.0.0.1:{receiver.port}/hooks?a=b")
        path = f"/v1/webhooks/{made['id']}"
        assert (await service.client.post(f"{path}/ping", headers=staff)).status_code == 202
        await wait_until(lambda: len(receiver.requests) == 1)
        (request,) = receiver.requests
        assert request.line == "POST /hooks?a=b HTTP/1.1"
        said = Webhook(made["secret"]).verify(request.body, request.headers)
        assert (said["type"], said["data"]) == ("ping", {"endpoint_id": made["id"], "practice_id": PRACTICE})
        (logged,) = await self.delivered(service, f"{path}/deliveries", staff, 1)
        assert logged["webhook_id"] == request.headers["webhook-id"]
        full = (await service.client.get(f"{path}/deliveries/{logged['id']}", headers=staff)).json()
        assert [(each["number"], each["status"], each["failure"]) for each in full["log"]] == [(1, 200, None)]

    async def test_a_booking_on_the_feed_arrives_and_can_be_had_again(
        self, service: Service, receiver: Receiver
    ) -> None:
        staff, feed = service.staff(PRACTICE), Feed(ManualClock(datetime.fromtimestamp(time.time(), UTC)))
        made = await service.make(staff, url=f"http://localhost:{receiver.port}/")
        path = f"/v1/webhooks/{made['id']}"
        await service.publish(feed.record(appointment(datetime.now(UTC) + timedelta(days=3))))
        (first,) = await self.delivered(service, f"{path}/deliveries", staff, 1)
        again = await service.client.post(f"{path}/deliveries/{first['id']}/redeliver", headers=staff)
        assert (again.status_code, again.json()["webhook_id"]) == (202, first["webhook_id"])
        assert len(await self.delivered(service, f"{path}/deliveries", staff, 2)) == 2
        body = {"since": first["created_at"], "delivered": True}
        third = await service.client.post(f"{path}/redeliver", json=body, headers=staff)
        assert (third.status_code, third.json()) == (202, {"count": 1})
        await wait_until(lambda: len(receiver.requests) == 3)
        assert {request.headers["webhook-id"] for request in receiver.requests} == {first["webhook_id"]}
        assert {json.loads(request.body)["type"] for request in receiver.requests} == {"appointment.booked"}

    async def test_the_log_comes_in_pages_the_newest_first(self, service: Service, receiver: Receiver) -> None:
        staff = service.staff(PRACTICE)
        path = f"/v1/webhooks/{(await service.make(staff))['id']}"
        made = [(await service.client.post(f"{path}/ping", headers=staff)).json()["id"] for _ in range(5)]
        found, page = [], f"{path}/deliveries?limit=2"
        while page:
            answer = await service.client.get(page, headers=staff)
            found += [each["id"] for each in answer.json()["items"]]
            page = answer.links["next"]["url"] if "next" in answer.links else ""
        assert found == made[::-1]

    async def test_a_disabled_endpoint_is_not_pinged(self, service: Service) -> None:
        staff = service.staff(PRACTICE)
        path = f"/v1/webhooks/{(await service.make(staff, enabled=False))['id']}"
        assert (await service.client.post(f"{path}/ping", headers=staff)).status_code == 409

    async def test_a_rotation_gives_a_new_secret(self, service: Service) -> None:
        staff = service.staff(PRACTICE)
        made = await service.make(staff)
        path = f"/v1/webhooks/{made['id']}/rotate-secret"
        rotated = (await service.client.post(path, json={"overlap": 3600}, headers=staff)).json()
        assert rotated["secret"] != made["secret"]
        assert rotated["previous_secret_until"] is not None
        assert (await service.client.post(path, json={"overlap": -1}, headers=staff)).status_code == 422
        at_once = (await service.client.post(path, json={"overlap": 0}, headers=staff)).json()
        assert at_once["previous_secret_until"] is None


async def test_mails_are_shown_only_where_the_setting_says_so(service: Service) -> None:
    assert (await service.client.get("/internal/notifications/outbox")).status_code == 404


async def test_the_status_tells_what_waits(service: Service) -> None:
    feed = Feed(ManualClock())
    await service.publish(feed.record(appointment(datetime.now(UTC) + timedelta(days=3))))
    figures: dict[str, Any] = {"letters": {}}
    while len(figures["letters"]) < 3:
        figures = (await service.client.get("/internal/notifications/status")).json()
    assert figures["letters"]["reminder_2h"] == {"waiting": 1, "late": None}
    assert figures["deliveries"] == {"pending": 0, "late": None}
    assert figures["consumer"]["handled"] <= 1
