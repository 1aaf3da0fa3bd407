"""Tests of the webhook API as the staff of practices use it."""

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

from .receiving import Receiver, run_receiver
from .running import OTHER_PRACTICE, PRACTICE, Feed, appointment
from .serving import Service, serving

UNKNOWN = "01890a5d-ac96-774b-bcce-000000000000"


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with serving(database_url, tmp_path, notifications_webhook_loopback=True) as service:
        yield service


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with run_receiver() as receiver:
        yield receiver


class TestEndpoints:
    async def test_secret_is_shown_once(self, service: Service) -> None:
        staff = service.staff(PRACTICE)
        response = await service.client.post("/v1/webhooks", json={"url": "https://hooks.example/in"}, headers=staff)
        created = response.json()
        assert created.pop("secret").startswith("whsec_")
        assert (response.headers["Location"], response.headers["ETag"]) == (f"/v1/webhooks/{created['id']}", '"1"')
        assert response.headers["Cache-Control"] == "no-store"
        assert (created["practice_id"], created["enabled"], len(created["events"])) == (PRACTICE, True, 8)
        stored = await service.client.get(response.headers["Location"], headers=staff)
        assert stored.json() == created
        assert "whsec_" not in (await service.client.get("/v1/webhooks", headers=staff)).text

    async def test_update_and_delete_require_the_etag(self, service: Service) -> None:
        staff = service.staff(PRACTICE)
        created = await service.create_endpoint(staff)
        path, fresh = f"/v1/webhooks/{created['id']}", {**staff, "If-Match": '"1"'}
        stored = (await service.client.get(path, headers=staff)).json()
        body = {**stored, "events": ["appointment.booked"], "enabled": False}
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
    async def test_invalid_fields_are_reported(self, service: Service, body: dict[str, Any], field: str) -> None:
        response = await service.client.post("/v1/webhooks", json=body, headers=service.staff(PRACTICE))
        assert response.status_code == 422, response.text
        (error,) = response.json()["errors"]
        assert error["field"] == field
        assert error["remedy"]

    async def test_endpoints_are_listed_in_pages(self, service: Service) -> None:
        staff = service.staff(PRACTICE)
        created = [(await service.create_endpoint(staff))["id"] for _ in range(5)]
        found, page = [], "/v1/webhooks?limit=2"
        while page:
            response = await service.client.get(page, headers=staff)
            found += [each["id"] for each in response.json()["items"]]
            page = response.links["next"]["url"] if "next" in response.links else ""
        assert found == created

    async def test_number_of_endpoints_is_limited(self, service: Service) -> None:
        staff = service.staff(PRACTICE)
        for _ in range(10):
            await service.create_endpoint(staff)
        body = {"url": "https://hooks.example/in"}
        assert (await service.client.post("/v1/webhooks", json=body, headers=staff)).status_code == 409
        assert (await service.create_endpoint(service.staff(OTHER_PRACTICE)))["practice_id"] == OTHER_PRACTICE

    async def test_staff_of_several_practices_must_name_one(self, service: Service) -> None:
        both = service.staff(PRACTICE, OTHER_PRACTICE)
        body = {"url": "https://hooks.example/in"}
        response = await service.client.post("/v1/webhooks", json=body, headers=both)
        assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "practice_id")
        assert (await service.create_endpoint(both, practice_id=OTHER_PRACTICE))["practice_id"] == OTHER_PRACTICE
        listed = await service.client.get("/v1/webhooks", params={"practice_id": PRACTICE}, headers=both)
        assert listed.json()["items"] == []


class TestTenancy:
    async def test_ids_of_other_practices_return_404_on_every_route(self, service: Service) -> None:
        mine, theirs = service.staff(PRACTICE), service.staff(OTHER_PRACTICE)
        created = (await service.create_endpoint(mine))["id"]
        delivery = (await service.client.post(f"/v1/webhooks/{created}/ping", headers=mine)).json()["id"]
        calls = 0
        for method, template in routes_with_an_id(service):
            for endpoint in (created, UNKNOWN):
                path = template.replace("{endpoint_id}", endpoint).replace("{delivery_id}", delivery)
                response = await self.call(service, method, path, theirs)
                assert response.status_code == 404, (method, path, response.text)
                calls += 1
        assert calls >= 18
        unknown = f"/v1/webhooks/{created}/deliveries/{UNKNOWN}"
        assert (await service.client.get(unknown, headers=mine)).status_code == 404

    async def test_delivery_is_not_found_through_another_endpoint(self, service: Service) -> None:
        mine, theirs = service.staff(PRACTICE), service.staff(OTHER_PRACTICE)
        created, other = (await service.create_endpoint(mine))["id"], (await service.create_endpoint(theirs))["id"]
        delivery = (await service.client.post(f"/v1/webhooks/{created}/ping", headers=mine)).json()["id"]
        path = f"/v1/webhooks/{other}/deliveries/{delivery}"
        assert (await service.client.get(path, headers=theirs)).status_code == 404
        assert (await service.client.post(f"{path}/redeliver", headers=theirs)).status_code == 404

    async def test_other_practice_returns_404(self, service: Service) -> None:
        body = {"url": "https://hooks.example/in", "practice_id": OTHER_PRACTICE}
        response = await service.client.post("/v1/webhooks", json=body, headers=service.staff(PRACTICE))
        assert response.status_code == 404
        listed = await service.client.get(
            "/v1/webhooks", params={"practice_id": OTHER_PRACTICE}, headers=service.staff(PRACTICE)
        )
        assert listed.json()["items"] == []

    @pytest.mark.parametrize("role", [Role.PATIENT, Role.SUPPORT, Role.ADMIN])
    async def test_webhooks_require_the_staff_role(self, service: Service, role: Role) -> None:
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
    """Return (method, path template) of the routes with an endpoint id."""
    found = [
        (method, route.path or "")
        for route in iter_route_contexts(service.app.routes)
        for method in sorted(route.methods or ())
    ]
    return [(method, path) for method, path in found if path.startswith("/v1/webhooks/{")]


class TestDeliveries:
    async def wait_for_deliveries(
        self, service: Service, path: str, staff: dict[str, str], count: int
    ) -> list[dict[str, Any]]:
        """Wait for `count` successful deliveries and return them."""
        while True:
            response = await service.client.get(path, params={"state": "delivered"}, headers=staff)
            found: list[dict[str, Any]] = response.json()["items"]
            if len(found) >= count:
                return found

    async def test_ping_is_signed_delivered_and_logged(self, service: Service, receiver: Receiver) -> None:
        staff = service.staff(PRACTICE)
        created = await service.create_endpoint(staff, url=f"http://127.0.0.1:{receiver.port}/hooks?a=b")
        path = f"/v1/webhooks/{created['id']}"
        assert (await service.client.post(f"{path}/ping", headers=staff)).status_code == 202
        await wait_until(lambda: len(receiver.requests) == 1)
        (request,) = receiver.requests
        assert request.line == "POST /hooks?a=b HTTP/1.1"
        message = Webhook(created["secret"]).verify(request.body, request.headers)
        assert (message["type"], message["data"]) == ("ping", {"endpoint_id": created["id"], "practice_id": PRACTICE})
        (logged,) = await self.wait_for_deliveries(service, f"{path}/deliveries", staff, 1)
        assert logged["webhook_id"] == request.headers["webhook-id"]
        full = (await service.client.get(f"{path}/deliveries/{logged['id']}", headers=staff)).json()
        assert [(each["number"], each["status"], each["failure"]) for each in full["log"]] == [(1, 200, None)]

    async def test_booking_on_the_feed_is_delivered_and_redelivered(self, service: Service, receiver: Receiver) -> None:
        staff, feed = service.staff(PRACTICE), Feed(ManualClock(datetime.fromtimestamp(time.time(), UTC)))
        created = await service.create_endpoint(staff, url=f"http://localhost:{receiver.port}/")
        path = f"/v1/webhooks/{created['id']}"
        await service.publish(feed.record(appointment(datetime.now(UTC) + timedelta(days=3))))
        (first,) = await self.wait_for_deliveries(service, f"{path}/deliveries", staff, 1)
        again = await service.client.post(f"{path}/deliveries/{first['id']}/redeliver", headers=staff)
        assert (again.status_code, again.json()["webhook_id"]) == (202, first["webhook_id"])
        assert len(await self.wait_for_deliveries(service, f"{path}/deliveries", staff, 2)) == 2
        body = {"since": first["created_at"], "delivered": True}
        third = await service.client.post(f"{path}/redeliver", json=body, headers=staff)
        assert (third.status_code, third.json()) == (202, {"count": 1})
        await wait_until(lambda: len(receiver.requests) == 3)
        assert {request.headers["webhook-id"] for request in receiver.requests} == {first["webhook_id"]}
        assert {json.loads(request.body)["type"] for request in receiver.requests} == {"appointment.booked"}

    async def test_deliveries_are_listed_newest_first_in_pages(self, service: Service, receiver: Receiver) -> None:
        staff = service.staff(PRACTICE)
        path = f"/v1/webhooks/{(await service.create_endpoint(staff))['id']}"
        created = [(await service.client.post(f"{path}/ping", headers=staff)).json()["id"] for _ in range(5)]
        found, page = [], f"{path}/deliveries?limit=2"
        while page:
            response = await service.client.get(page, headers=staff)
            found += [each["id"] for each in response.json()["items"]]
            page = response.links["next"]["url"] if "next" in response.links else ""
        assert found == created[::-1]

    async def test_ping_of_a_disabled_endpoint_conflicts(self, service: Service) -> None:
        staff = service.staff(PRACTICE)
        path = f"/v1/webhooks/{(await service.create_endpoint(staff, enabled=False))['id']}"
        assert (await service.client.post(f"{path}/ping", headers=staff)).status_code == 409

    async def test_rotation_creates_a_new_secret(self, service: Service) -> None:
        staff = service.staff(PRACTICE)
        created = await service.create_endpoint(staff)
        path = f"/v1/webhooks/{created['id']}/rotate-secret"
        rotated = (await service.client.post(path, json={"overlap": 3600}, headers=staff)).json()
        assert rotated["secret"] != created["secret"]
        assert rotated["previous_secret_until"] is not None
        assert (await service.client.post(path, json={"overlap": -1}, headers=staff)).status_code == 422
        concurrency = (await service.client.post(path, json={"overlap": 0}, headers=staff)).json()
        assert concurrency["previous_secret_until"] is None


async def test_sent_emails_are_shown_only_with_the_setting(service: Service) -> None:
    assert (await service.client.get("/internal/notifications/outbox")).status_code == 404


async def test_status_counts_waiting_emails(service: Service) -> None:
    feed = Feed(ManualClock())
    await service.publish(feed.record(appointment(datetime.now(UTC) + timedelta(days=3))))
    stats: dict[str, Any] = {"letters": {}}
    while len(stats["letters"]) < 3:
        stats = (await service.client.get("/internal/notifications/status")).json()
    assert stats["letters"]["reminder_2h"] == {"waiting": 1, "late": None}
    assert stats["deliveries"] == {"pending": 0, "late": None}
    assert stats["consumer"]["handled"] <= 1
