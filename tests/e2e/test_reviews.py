"""A review that is published changes the provider's stars in search, and its withdrawal takes them back."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from millrace_contracts.entities import Appointment
from millrace_contracts.envelope import Envelope
from millrace_contracts.registry import APPOINTMENT
from millrace_feeds.assembly import open_publisher
from millrace_feeds.clock import rfc3339
from tests.support.accounts import Accounts
from tests.support.platform import Platform, wait_for


@pytest.fixture
def client(platform: Platform) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=platform.url, timeout=20) as client:
        yield client


def test_a_review_changes_the_stars_in_search(
    platform: Platform, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = client.get("/v1/directory/provider-locations", params={"limit": 100}).json()["items"]
    # Other tests on this platform write reviews too.
    place = next(each for each in places if rating_in_search(client, each) == (None, 0))
    account = Accounts(platform).patient("reviewer")
    patient, headers = account.id, account.headers
    for name, value in platform.variables.items():
        monkeypatch.setenv(name, value)
    visit = completed(patient, place)
    asyncio.run(publish(platform.variables.get("MILLRACE_CHANGES_STREAM", "changes"), visit))
    body = {"appointment_id": visit.id, "overall": 5, "bedside_manner": 4, "wait_time": 3, "text": "Listened."}

    def reviewed() -> dict[str, Any] | None:
        answer = client.post("/v1/reviews", json=body, headers=headers)
        assert answer.status_code in (201, 404), answer.text
        made: dict[str, Any] = answer.json()
        return made if answer.status_code == 201 else None

    review = wait_for(reviewed, seconds=30, what="the visit's way to reviews")
    wait_for(lambda: rating_in_search(client, place) == (4.167, 1), seconds=30, what="the stars in search")
    page = client.get(f"/v1/providers/{place['npi']}").json()
    assert page["reviews"] == {"count": 1, "overall": 4.167, "bedside_manner": 4.0, "wait_time": 3.833}
    public = client.get("/v1/reviews", params={"npi": place["npi"]})
    assert [each["text"] for each in public.json()["items"]] == ["Listened."]
    assert patient not in public.text + str(page)
    path = f"/v1/reviews/{review['id']}"
    assert client.delete(path, headers={**headers, "If-Match": '"1"'}).status_code == 204
    wait_for(lambda: rating_in_search(client, place) == (None, 0), seconds=30, what="search without the stars")


def completed(patient: str, place: dict[str, Any]) -> Appointment:
    return Appointment(
        id=str(uuid.uuid4()),
        provider_location_id=place["id"],
        npi=place["npi"],
        patient_id=patient,
        start="2026-11-20T09:00:00-05:00",
        minutes=30,
        state="completed",
        practice_id=place["practice_id"],
        completed_at=rfc3339(time.time()),
    )


async def publish(stream: str, visit: Appointment) -> None:
    """As the owner of appointments tells of a visit."""
    subject = APPOINTMENT.subject(visit)
    envelope = Envelope(
        id=str(uuid.uuid4()),
        source="/services/scheduling",
        type="millrace.appointment.updated",
        subject=subject,
        time=rfc3339(time.time()),
        dataschema=APPOINTMENT.dataschema,
        partitionkey=subject,
        entityversion=1,
        data=msgspec.Raw(msgspec.json.encode(visit)),
    )
    async with open_publisher(stream) as publisher:
        await publisher.publish([envelope])


def rating_in_search(client: httpx.Client, place: dict[str, Any]) -> tuple[float | None, int] | None:
    """Stars and number of reviews on the provider's card."""
    near = place["address"]["zip"][:5]
    parameters = {"specialty": place["taxonomy"], "near": near, "radius_mi": 5, "limit": 50}
    found = client.get("/v1/search", params=parameters).json()["results"]
    cards = [card for card in found if card["id"] == place["id"]]
    return (cards[0]["rating"], cards[0]["reviews"]) if cards else None
