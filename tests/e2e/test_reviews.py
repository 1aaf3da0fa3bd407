"""Publishing a review changes the provider's rating in search, and deleting it changes it back."""

import asyncio
import time
import uuid
from typing import Any

import httpx
import msgspec
import pytest

from millrace_contracts.entities import Appointment
from millrace_contracts.envelope import Envelope
from millrace_contracts.registry import APPOINTMENT
from millrace_feeds.clock import rfc3339
from millrace_feeds.wiring import open_publisher
from tests.support.accounts import Accounts
from tests.support.platform import Platform, wait_for


def test_review_changes_the_rating_in_search(
    platform: Platform, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = http.get("/v1/directory/provider-locations", params={"limit": 100}).json()["items"]
    # Other tests on this platform write reviews too.
    entry = next(each for each in entries if rating_in_search(http, each) == (None, 0))
    account = Accounts(platform).patient("reviewer")
    patient, headers = account.id, account.headers
    for name, value in platform.variables.items():
        monkeypatch.setenv(name, value)
    visit = completed_visit(patient, entry)
    asyncio.run(publish(platform.variables.get("MILLRACE_CHANGES_STREAM", "changes"), visit))
    body = {"appointment_id": visit.id, "overall": 5, "bedside_manner": 4, "wait_time": 3, "text": "Listened."}

    def submit() -> dict[str, Any] | None:
        response = http.post("/v1/reviews", json=body, headers=headers)
        assert response.status_code in (201, 404), response.text
        created: dict[str, Any] = response.json()
        return created if response.status_code == 201 else None

    review = wait_for(submit, seconds=30, what="the visit to reach reviews")
    wait_for(lambda: rating_in_search(http, entry) == (4.167, 1), seconds=30, what="the stars in search")
    page = http.get(f"/v1/providers/{entry['npi']}").json()
    assert page["reviews"] == {"count": 1, "overall": 4.167, "bedside_manner": 4.0, "wait_time": 3.833}
    public = http.get("/v1/reviews", params={"npi": entry["npi"]})
    assert [each["text"] for each in public.json()["items"]] == ["Listened."]
    assert patient not in public.text + str(page)
    path = f"/v1/reviews/{review['id']}"
    assert http.delete(path, headers={**headers, "If-Match": '"1"'}).status_code == 204
    wait_for(lambda: rating_in_search(http, entry) == (None, 0), seconds=30, what="search without the stars")


def completed_visit(patient: str, entry: dict[str, Any]) -> Appointment:
    return Appointment(
        id=str(uuid.uuid4()),
        provider_location_id=entry["id"],
        npi=entry["npi"],
        patient_id=patient,
        start="2026-11-20T09:00:00-05:00",
        minutes=30,
        state="completed",
        practice_id=entry["practice_id"],
        completed_at=rfc3339(time.time()),
    )


async def publish(stream: str, visit: Appointment) -> None:
    """Publish a visit as scheduling does."""
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


def rating_in_search(http: httpx.Client, entry: dict[str, Any]) -> tuple[float | None, int] | None:
    """Return the rating and the number of reviews on the provider's card, or None without a card."""
    near = entry["address"]["zip"][:5]
    parameters = {"specialty": entry["taxonomy"], "near": near, "radius_mi": 5, "limit": 50}
    results = http.get("/v1/search", params=parameters).json()["results"]
    cards = [card for card in results if card["id"] == entry["id"]]
    return (cards[0]["rating"], cards[0]["reviews"]) if cards else None
