"""Booking as a patient and a practice see it: from a sign-up to a review, over the edge, with all services running."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.people import Person, patient, signed_up, staff
from tests.support.platform import Platform, wait_for

SEEN_SECONDS = 20.0
"""A bound for a machine with much else to do; the benchmark of freshness measures what it is by itself."""
DERMATOLOGY = "207N00000X"
FREE_TO_CHANGE = timedelta(days=3)
"""Beyond every demo practice's notice and deadline for changes."""
PROFILE = {"given_name": "Ada", "family_name": "Lovelace", "birth_date": "1980-12-10", "phone": "212-555-0142"}


@dataclass(frozen=True, slots=True)
class Search:
    """A search that found a place with times."""

    parameters: Mapping[str, str]
    place: str
    npi: str
    practice: str


@pytest.fixture
def http(platform: Platform) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=platform.url, timeout=30) as client:
        yield client


@pytest.fixture
def found(http: httpx.Client) -> Search:
    """A dermatologist near a ZIP code, or who else there is, with a plan and times enough to book and to move."""
    known = http.get("/v1/directory/provider-locations", params={"limit": 200}).raise_for_status().json()["items"]
    for each in sorted(known, key=lambda each: bool(each["taxonomy"] != DERMATOLOGY)):
        if each["accepted_plans"] and each["practice_id"] and each["address"]:
            search = _search_for(each)
            card = _card(http, search)
            if card is not None and not card["reviews"] and len(_days_of_many(http, search)) > 1:
                return search
    raise AssertionError("the demo data have nobody with openings")


def test_from_sign_up_to_review(platform: Platform, http: httpx.Client, found: Search) -> None:
    person = signed_up(http, "ada")
    person.ask("PUT", f"/v1/patients/{person.id}", 201, json=PROFILE)
    person.ask("PUT", f"/v1/patients/{person.id}/practices/{found.practice}", 204)
    practice = staff(platform, http, [found.practice])
    assert practice.ask("GET", f"/v1/patients/{person.id}", 200).json()["given_name"] == "Ada"

    first, second = _days_of_many(http, found)[:2]
    start, other = _times(http, found, first)[0], _times(http, found, second)[0]
    before = _shown(http, found, first)
    booked = _booked(person, found, start)
    assert _reasons(http, found, start) == ["booked"]
    assert start not in _times(http, found, first)
    wait_for(lambda: _shown(http, found, first) < before, seconds=SEEN_SECONDS, what="the booking in search")
    assert person.is_mailed("booked").endswith("is booked")

    path = f"/v1/appointments/{booked['id']}"
    moved = person.ask("POST", f"{path}/reschedule", 200, json={"start": other}).json()
    assert (moved["start"], moved["moved_from"], moved["version"]) == (other, start, 2)
    wait_for(lambda: _shown(http, found, first) == before, seconds=SEEN_SECONDS, what="the old time in search again")
    assert start in _times(http, found, first)
    assert person.is_mailed("moved").startswith("Your appointment moved to")
    calendar = person.ask("GET", f"{path}/calendar.ics", 200).text
    assert f"UID:{booked['id']}" in calendar
    assert "SEQUENCE:1" in calendar

    practice.ask("POST", f"{path}/arrived", 200)
    completed = practice.ask("POST", f"{path}/completed", 200).json()
    assert completed["state"] == "completed"
    review = {"appointment_id": booked["id"], "overall": 5, "bedside_manner": 4, "wait_time": 3, "text": "Listened."}
    _reviewed(person, review)
    wait_for(lambda: _there(http, found)["reviews"] == 1, seconds=SEEN_SECONDS, what="the stars in search")
    assert _there(http, found)["rating"] == 4.167
    public = http.get("/v1/reviews", params={"npi": found.npi}).json()["items"]
    assert [each["text"] for each in public] == ["Listened."]


def test_a_time_that_was_taken_is_refused_with_others(http: httpx.Client, found: Search) -> None:
    first, second = patient(http, "grace"), patient(http, "emmy")
    day = _days_of_many(http, found)[0]
    start = _times(http, found, day)[0]
    booked = _booked(first, found, start)
    refused = second.ask("POST", "/v1/holds", 409, json=_visit(found, start)).json()
    assert refused["type"] == "urn:millrace:problem:slot-taken"
    nearest = refused["alternatives"][0]
    assert nearest in _times(http, found, date.fromisoformat(nearest[:10]))
    _booked(second, found, nearest)

    second.ask("GET", f"/v1/appointments/{booked['id']}", 404)
    cancelled = first.ask(
        "POST", f"/v1/appointments/{booked['id']}/cancel", 200, json={"reason": "schedule_conflict"}
    ).json()
    assert (cancelled["state"], cancelled["cancelled_by"]) == ("cancelled", "patient")
    assert first.is_mailed("cancelled").endswith("is cancelled")
    assert "STATUS:CANCELLED" in first.ask("GET", f"/v1/appointments/{booked['id']}/calendar.ics", 200).text
    assert start in _times(http, found, day)


def test_what_is_cancelled_goes_to_the_first_in_line(platform: Platform, http: httpx.Client, found: Search) -> None:
    practice = staff(platform, http, [found.practice])
    first, second = patient(http, "mary"), patient(http, "anna")
    start = _one_more_time(http, practice, found)
    day, visit = start[:10], {**_visit(found, start), "patient": "existing"}
    booked = _booked(first, found, start, patient="existing")
    line = {name: visit[name] for name in ("provider_location_id", "patient")} | {"from": day, "to": day}
    waiting = second.ask("POST", "/v1/waitlist", 201, json=line).json()
    assert (waiting["state"], waiting["offer"]) == ("waiting", None)

    first.ask("POST", f"/v1/appointments/{booked['id']}/cancel", 200, json={"reason": "feeling_better"})
    offer = wait_for(lambda: _offer(second, waiting["id"]), seconds=SEEN_SECONDS, what="the offer")
    assert datetime.fromisoformat(offer["start"]) == datetime.fromisoformat(start)
    assert second.is_mailed("waitlist_offer").startswith("A time has come free")
    assert first.ask("POST", "/v1/holds", 409, json=visit).json()["type"].endswith("slot-taken")
    taken = second.ask("POST", "/v1/appointments", 201, json={"hold_id": offer["hold_id"]}).json()
    assert (taken["start"], taken["patient_id"]) == (start, second.id)
    assert second.is_mailed("booked").endswith("is booked")


def _search_for(known: Mapping[str, Any]) -> Search:
    """As a patient would ask who needs somebody like that, nearby, this plan, and soon."""
    asked = {
        "specialty": known["taxonomy"],
        "near": known["address"]["zip"][:5],
        "plan": known["accepted_plans"][0],
        "available_within": "14d",
        "limit": "50",
    }
    return Search(asked, known["id"], known["npi"], known["practice_id"])


def _card(http: httpx.Client, search: Search) -> dict[str, Any] | None:
    results = http.get("/v1/search", params=search.parameters).raise_for_status().json()["results"]
    return next((each for each in results if each["id"] == search.place), None)


def _there(http: httpx.Client, search: Search) -> dict[str, Any]:
    card = _card(http, search)
    assert card is not None, "the place isn't found any more"
    return card


def _shown(http: httpx.Client, search: Search, day: date) -> int:
    """How many times the card shows on a day of the next 14."""
    openings = _there(http, search)["openings"]
    count: int = openings["counts"][(day - date.fromisoformat(openings["from"])).days]
    return count


def _days_of_many(http: httpx.Client, search: Search) -> list[date]:
    """Days with some times, and fewer than a card counts up to."""
    today = date.fromisoformat(_there(http, search)["openings"]["from"])
    days = [today + timedelta(ahead) for ahead in range(FREE_TO_CHANGE.days, 14)]
    return [day for day in days if len(_times(http, search, day)) > 1 and 1 < _shown(http, search, day) < 31]


def _times(http: httpx.Client, search: Search, day: date, patient: str = "new") -> list[str]:
    """Starts that a patient may book on a day."""
    asked = {"provider_location": search.place, "from": str(day), "to": str(day), "patient": patient}
    answer = http.get("/v1/availability", params={**asked, "mode": "in_person"}).raise_for_status().json()
    return [each["start"] for each in answer["provider_locations"][0]["openings"]]


def _reasons(http: httpx.Client, search: Search, start: str) -> list[str]:
    asked = {"provider_location": search.place, "start": start, "patient": "new", "mode": "in_person"}
    explained = http.get("/v1/availability/explain", params=asked).raise_for_status().json()
    return [each["code"] for each in explained["reasons"]]


def _visit(search: Search, start: str) -> dict[str, str]:
    return {"provider_location_id": search.place, "start": start, "patient": "new", "mode": "in_person"}


def _booked(person: Person, search: Search, start: str, **visit: str) -> dict[str, Any]:
    """Hold and book; a repetition of the booking gives the same bytes."""
    held = person.ask("POST", "/v1/holds", 201, json={**_visit(search, start), **visit}).json()
    key = secrets.token_hex(16)
    answers = [person.ask("POST", "/v1/appointments", 201, key=key, json={"hold_id": held["id"]}) for _ in range(2)]
    assert answers[0].content == answers[1].content
    appointment: dict[str, Any] = answers[0].json()
    assert (appointment["id"], appointment["state"], appointment["start"]) == (held["id"], "booked", start)
    return appointment


def _reviewed(person: Person, review: Mapping[str, Any]) -> None:
    """As soon as the visit has come to `reviews`; until then it is unknown there."""

    def accepted() -> bool:
        answer = person.http.post("/v1/reviews", json=review, headers=person.headers)
        assert answer.status_code in (201, 404, 422), answer.text
        return answer.status_code == 201

    wait_for(accepted, seconds=SEEN_SECONDS, what="the visit's way to reviews")


def _one_more_time(http: httpx.Client, practice: Person, search: Search) -> str:
    """The practice opens half an hour on a day that had no time; its start."""
    path = f"/v1/calendars/{search.place}"
    answer = practice.ask("GET", path, 200)
    today = datetime.fromisoformat(_there(http, search)["openings"]["first"][0]).date()
    days = [today + timedelta(ahead) for ahead in range(FREE_TO_CHANGE.days + 1, 14)]
    day = next(each for each in days if not _times(http, search, each, patient="existing"))
    extra = {"day": str(day), "opens": "12:00", "closes": "12:30"}
    calendar = {**answer.json(), "extra_hours": [extra]}
    practice.ask("PUT", path, 200, json=calendar, headers={"If-Match": answer.headers["ETag"]})
    (start,) = _times(http, search, day, patient="existing")
    return start


def _offer(person: Person, entry: str) -> dict[str, Any] | None:
    items = person.ask("GET", "/v1/waitlist", 200).json()["items"]
    return next((each["offer"] for each in items if each["id"] == entry), None)
