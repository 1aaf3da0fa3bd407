"""Expected statuses of reviews: authors change their reviews, the practice replies, moderators publish or hide."""

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg

from tests.e2e.tenancy import visits
from tests.e2e.tenancy.directory import new_npi
from tests.e2e.tenancy.rows import Actor, Ids, Row, Thing, World, everyone, only
from tests.support.platform import wait_for

ANY_VERSION = {"If-Match": "*"}
STARS: Mapping[str, Any] = {"overall": 4, "bedside_manner": 4, "wait_time": 3, "text": "Listened."}


def author(status: int) -> Mapping[Actor, int]:
    return only(status, Actor.PATIENT, others=404)


def practice(status: int) -> Mapping[Actor, int]:
    """Expect `status` for staff of the visit's practice."""
    return {**only(status, Actor.STAFF, others=403), Actor.OTHER_STAFF: 404}


def moderators(status: int) -> Mapping[Actor, int]:
    return only(status, Actor.SUPPORT, Actor.ADMIN, others=403)


def practice_and_moderators(status: int) -> Mapping[Actor, int]:
    return {**practice(status), **dict.fromkeys((Actor.SUPPORT, Actor.ADMIN), status)}


def provider(world: World) -> Thing:
    return Thing({"npi": visits.provider_location(world)["npi"]})


def own_practice(world: World) -> Thing:
    return Thing({"practice_id": world.practice})


def visit(world: World) -> Thing:
    """Create a completed visit and wait until the reviews service has stored it."""
    appointment = visits.complete(world)
    url = world.platform.variables["MILLRACE_REVIEWS_DATABASE_URL"]

    async def is_known() -> bool:
        connection = await asyncpg.connect(url)
        try:
            query = "SELECT count(*) FROM visit WHERE id = $1 AND completed_at IS NOT NULL"
            return bool(await connection.fetchval(query, appointment))
        finally:
            await connection.close()

    wait_for(lambda: asyncio.run(is_known()), seconds=visits.FEED_SECONDS, what="the visit to reach reviews")
    return Thing({"appointment_id": appointment})


def new_review(world: World) -> Thing:
    return Thing({"review_id": visits.review_visit(world)})


def review(world: World) -> Thing:
    """Return one review for all operations that leave it published."""
    return world.once("review", lambda: new_review(world))


def review_with_reply(world: World) -> Thing:
    thing = review(world)
    url = f"{world.url('reviews')}/v1/reviews/{thing.ids['review_id']}/reply"
    headers = {**world.actors[Actor.STAFF].headers, **ANY_VERSION}
    response = world.http.put(url, json={"text": "Thank you."}, headers=headers)
    if response.status_code == 412:
        response = world.http.put(url, json={"text": "Thank you."}, headers=world.actors[Actor.STAFF].headers)
    response.raise_for_status()
    return thing


def of_visit(ids: Ids) -> dict[str, Any]:
    return {**STARS, "appointment_id": ids["appointment_id"]}


R = "/v1/reviews/{review_id}"
PUBLISHED = "anybody may read it"

ROWS: dict[str, Row] = {
    "GET /v1/reviews": Row(everyone(200), provider, query=("npi",), unknown=200, makers={"npi": new_npi}),
    "POST /v1/reviews": Row({**only(201, Actor.PATIENT, others=403), Actor.OTHER_PATIENT: 404}, visit, body=of_visit),
    "GET /v1/reviews/practices/{practice_id}": Row(practice(200), own_practice, unrecorded=PUBLISHED),
    f"GET {R}": Row(author(200), review),
    f"PUT {R}": Row(author(200), review, body=lambda _: STARS, headers=ANY_VERSION),
    f"DELETE {R}": Row(author(204), new_review, headers=ANY_VERSION),
    f"GET {R}/moderation": Row(moderators(200), review),
    f"PUT {R}/moderation": Row(moderators(200), review, body=lambda _: {"state": "published"}, headers=ANY_VERSION),
    f"PUT {R}/flag": Row(
        {**everyone(204), Actor.ANONYMOUS: 401, Actor.OTHER_STAFF: 404, Actor.SUPPORT: 403, Actor.ADMIN: 403},
        review,
        body=lambda _: {"reason": "off_topic"},
    ),
    f"GET {R}/reply": Row(practice_and_moderators(200), review_with_reply, unrecorded=PUBLISHED),
    f"PUT {R}/reply": Row(practice(200), review_with_reply, body=lambda _: {"text": "Thanks."}, headers=ANY_VERSION),
    f"DELETE {R}/reply": Row(practice_and_moderators(204), review_with_reply, headers=ANY_VERSION),
}
