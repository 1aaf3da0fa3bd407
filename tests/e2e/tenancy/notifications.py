"""Expected statuses of notifications: staff manage the webhooks of their practice."""

from collections.abc import Mapping
from typing import Any

from tests.e2e.tenancy.rows import Actor, Ids, Row, Thing, World, only

ANY_VERSION = {"If-Match": "*"}
BODY: Mapping[str, Any] = {"url": "https://hooks.example.com/millrace", "description": "The ward's"}


def staff(status: int) -> Mapping[Actor, int]:
    return {**only(status, Actor.STAFF, others=403), Actor.OTHER_STAFF: 404}


def practice(world: World) -> Thing:
    return Thing({"practice_id": world.practice})


def new_webhook(world: World) -> Thing:
    created = world.create("notifications", "/v1/webhooks", BODY, Actor.STAFF)
    return Thing({"endpoint_id": created["id"]})


def webhook(world: World) -> Thing:
    """Return one webhook for all operations that don't delete it, because a practice may have only a few."""
    return world.once("webhook", lambda: new_webhook(world))


def delivery(world: World) -> Thing:
    ids = webhook(world).ids
    created = world.create("notifications", f"/v1/webhooks/{ids['endpoint_id']}/ping", {}, Actor.STAFF)
    return Thing({**ids, "delivery_id": created["id"]})


def of_practice(ids: Ids) -> dict[str, Any]:
    return {**BODY, "practice_id": ids["practice_id"]}


W = "/v1/webhooks/{endpoint_id}"

ROWS: dict[str, Row] = {
    # The filter applies to the caller's own webhooks: for another practice the list is empty.
    "GET /v1/webhooks": Row(
        only(200, Actor.STAFF, Actor.OTHER_STAFF, others=403), practice, query=("practice_id",), unknown=200
    ),
    "POST /v1/webhooks": Row(staff(201), practice, body=of_practice),
    f"GET {W}": Row(staff(200), webhook),
    f"PUT {W}": Row(staff(200), webhook, body=lambda _: BODY, headers=ANY_VERSION),
    f"DELETE {W}": Row(staff(204), new_webhook, headers=ANY_VERSION),
    f"POST {W}/rotate-secret": Row(staff(200), webhook, body=lambda _: {}),
    f"POST {W}/ping": Row(staff(202), webhook),
    f"POST {W}/redeliver": Row(staff(202), webhook, body=lambda _: {"since": "2026-01-01T00:00:00Z"}),
    f"GET {W}/deliveries": Row(staff(200), webhook),
    f"GET {W}/deliveries/{{delivery_id}}": Row(staff(200), delivery),
    f"POST {W}/deliveries/{{delivery_id}}/redeliver": Row(staff(202), delivery),
}
