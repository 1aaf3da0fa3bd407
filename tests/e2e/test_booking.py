"""Booking as patients and practices see it, from sign-up to review, over the public address of all services."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.people import Person, patient, sign_up, staff
from tests.support.platform import Platform, wait_for
from tests.support.visits import begin_visit

PROPAGATION_SECONDS = 20.0
"""Limit on a busy machine; the freshness benchmark measures the usual time."""
DERMATOLOGY = "207N00000X"
FREE_TO_CHANGE = timedelta(days=3)
"""Longer than the minimum notice and the change deadline of every demo practice."""
PROFILE = {"given_name": "Ada", "family_name": "Lovelace", "birth_date": "1980-12-10", "phone": "212-555-0142"}


@dataclass(frozen=True, slots=True)
class Search:
    """A search that finds a provider-location with openings."""

    parameters: Mapping[str, str]
    provider_location: str
    npi: str
    practice: str


@pytest.fixture
def target(http: httpx.Client) -> Search:
    """Return a provider-location, preferably of a dermatologist, with a plan and enough openings to book and move."""
    known = http.get("/v1/directory/provider-locations", params={"limit": 200}).raise_for_status().json()["items"]
    for each in sorted(known, key=lambda each: bool(each["taxonomy"] != DERMATOLOGY)):
        if each["accepted_plans"] and each["practice_id"] and each["address"]:
            search = _search_like(each)
            card = _find_card(http, search)
            if card is not None and not card["reviews"] and len(_days_with_openings(http, search)) > 1:
                return search
    raise AssertionError("no provider of the demo data has openings")


def test_patient_signs_up_books_moves_and_reviews_a_visit(
    platform: Platform, http: httpx.Client, target: Search
) -> None:
    person = sign_up(platform, http, "ada")
    person.ask("PUT", f"/v1/patients/{person.id}", 201, json=PROFILE)
    practice = staff(platform, http, [target.practice])

    first, second = _days_with_openings(http, target)[:2]
    start, other = _bookable_starts(http, target, first)[0], _bookable_starts(http, target, second)[0]
    before = _count_in_search(http, target, first)
    booked = _book(person, target, start)
    assert _refusal_reasons(http, target, start) == ["booked"]
    assert start not in _bookable_starts(http, target, first)
    wait_for(
        lambda: _count_in_search(http, target, first) < before,
        seconds=PROPAGATION_SECONDS,
        what="the booking in search",
    )
    assert person.wait_for_email("booked").endswith("is booked")

    path = f"/v1/appointments/{booked['id']}"
    moved = person.ask("POST", f"{path}/reschedule", 200, json={"start": other}).json()
    assert (moved["start"], moved["moved_from"], moved["version"]) == (other, start, 2)
    wait_for(
        lambda: _count_in_search(http, target, first) == before,
        seconds=PROPAGATION_SECONDS,
        what="the old time in search again",
    )
    assert start in _bookable_starts(http, target, first)
    assert person.wait_for_email("moved").startswith("Your appointment has been moved to")
    calendar = person.ask("GET", f"{path}/calendar.ics", 200).text
    assert f"UID:{booked['id']}" in calendar
    assert "SEQUENCE:1" in calendar

    early = practice.ask("POST", f"{path}/arrived", 409).json()
    assert early["type"] == "urn:millrace:problem:too-early"
    begin_visit(platform, booked["id"])
    practice.ask("POST", f"{path}/arrived", 200)
    completed = practice.ask("POST", f"{path}/completed", 200).json()
    assert completed["state"] == "completed"
    review = {"appointment_id": booked["id"], "overall": 5, "bedside_manner": 4, "wait_time": 3, "text": "Listened."}
    _review(person, review)
    wait_for(lambda: _get_card(http, target)["reviews"] == 1, seconds=PROPAGATION_SECONDS, what="the stars in search")
    assert _get_card(http, target)["rating"] == 4.167
    public = http.get("/v1/reviews", params={"npi": target.npi}).json()["items"]
    assert [each["text"] for each in public] == ["Listened."]


def test_booking_asks_for_a_profile_and_shares_it_with_the_practice(
    platform: Platform, http: httpx.Client, target: Search
) -> None:
    person, practice = sign_up(platform, http, "ida"), staff(platform, http, [target.practice])
    own = f"/v1/patients/{person.id}"
    start = _bookable_starts(http, target, _days_with_openings(http, target)[0])[0]
    hold = person.ask("POST", "/v1/holds", 201, json=_visit(target, start)).json()["id"]
    refused = person.ask("POST", "/v1/appointments", 409, json={"hold_id": hold}).json()
    assert [each["field"] for each in refused["errors"]] == ["given_name", "family_name", "birth_date"]

    person.ask("PUT", own, 201, json=PROFILE)
    card = {"plan_id": target.parameters["plan"], "member_id": "W123456789"}
    cards = [person.ask("POST", f"{own}/insurance-cards", 201, json=card).json()["id"] for _ in range(2)]
    practice.ask("GET", own, 404)
    booking = {"hold_id": hold, "insurance_card_id": cards[0]}
    person.ask("POST", "/v1/appointments", 422, json={**booking, "insurance_card_id": person.id})
    person.ask("POST", "/v1/appointments", 201, json=booking)

    def is_shared() -> bool:
        return practice.http.get(own, headers=practice.headers).status_code == 200

    wait_for(is_shared, seconds=PROPAGATION_SECONDS, what="the profile at the practice")
    shown = practice.ask("GET", own, 200).json()
    assert (shown["given_name"], shown["phone"], shown["email"]) == ("Ada", PROFILE["phone"], person.email)
    listed = practice.ask("GET", f"{own}/insurance-cards", 200).json()["items"]
    assert [each["id"] for each in listed] == [cards[0]]
    accesses = person.ask("GET", f"{own}/accesses", 200).json()["items"]
    assert ("create", f"share/{target.practice}", "TREAT") in {
        (each["deed"], each["what"], each["purpose"]) for each in accesses
    }
    person.ask("POST", f"/v1/appointments/{hold}/cancel", 200, json={"reason": "other"})


def test_reserved_time_is_refused_with_alternatives(platform: Platform, http: httpx.Client, target: Search) -> None:
    first, second = patient(platform, http, "grace"), patient(platform, http, "emmy")
    day = _days_with_openings(http, target)[0]
    start = _bookable_starts(http, target, day)[0]
    booked = _book(first, target, start)
    refusal = second.ask("POST", "/v1/holds", 409, json=_visit(target, start)).json()
    assert refusal["type"] == "urn:millrace:problem:slot-taken"
    nearest = refusal["alternatives"][0]
    assert nearest in _bookable_starts(http, target, date.fromisoformat(nearest[:10]))
    _book(second, target, nearest)

    second.ask("GET", f"/v1/appointments/{booked['id']}", 404)
    cancelled = first.ask(
        "POST", f"/v1/appointments/{booked['id']}/cancel", 200, json={"reason": "schedule_conflict"}
    ).json()
    assert (cancelled["state"], cancelled["cancelled_by"]) == ("cancelled", "patient")
    assert first.wait_for_email("cancelled").endswith("has been canceled")
    assert "STATUS:CANCELLED" in first.ask("GET", f"/v1/appointments/{booked['id']}/calendar.ics", 200).text
    assert start in _bookable_starts(http, target, day)


def test_canceled_time_is_offered_to_the_first_on_the_waitlist(
    platform: Platform, http: httpx.Client, target: Search
) -> None:
    practice = staff(platform, http, [target.practice])
    first, second = patient(platform, http, "mary"), patient(platform, http, "anna")
    start = _open_half_an_hour(http, practice, target)
    day, visit = start[:10], {**_visit(target, start), "patient": "existing"}
    booked = _book(first, target, start, patient="existing")
    entry_body = {name: visit[name] for name in ("provider_location_id", "patient")} | {"from": day, "to": day}
    entry = second.ask("POST", "/v1/waitlist", 201, json=entry_body).json()
    assert (entry["state"], entry["offer"]) == ("waiting", None)

    first.ask("POST", f"/v1/appointments/{booked['id']}/cancel", 200, json={"reason": "feeling_better"})
    offer = wait_for(lambda: _offer(second, entry["id"]), seconds=PROPAGATION_SECONDS, what="the offer")
    assert datetime.fromisoformat(offer["start"]) == datetime.fromisoformat(start)
    assert second.wait_for_email("waitlist_offer").startswith("An appointment is available")
    assert first.ask("POST", "/v1/holds", 409, json=visit).json()["type"].endswith("slot-taken")
    appointment = second.ask("POST", "/v1/appointments", 201, json={"hold_id": offer["hold_id"]}).json()
    assert (appointment["start"], appointment["patient_id"]) == (start, second.id)
    assert second.wait_for_email("booked").endswith("is booked")


def _search_like(known: Mapping[str, Any]) -> Search:
    """Return a search for this specialty, near this address, with this plan and an opening within two weeks."""
    parameters = {
        "specialty": known["taxonomy"],
        "near": known["address"]["zip"][:5],
        "plan": known["accepted_plans"][0],
        "available_within": "14d",
        "limit": "50",
    }
    return Search(parameters, known["id"], known["npi"], known["practice_id"])


def _find_card(http: httpx.Client, search: Search) -> dict[str, Any] | None:
    results = http.get("/v1/search", params=search.parameters).raise_for_status().json()["results"]
    return next((each for each in results if each["id"] == search.provider_location), None)


def _get_card(http: httpx.Client, search: Search) -> dict[str, Any]:
    card = _find_card(http, search)
    assert card is not None, "the search no longer finds the provider-location"
    return card


def _count_in_search(http: httpx.Client, search: Search, day: date) -> int:
    """Return the number of openings that the card shows for a day."""
    openings = _get_card(http, search)["openings"]
    count: int = openings["counts"][(day - date.fromisoformat(openings["from"])).days]
    return count


def _days_with_openings(http: httpx.Client, search: Search) -> list[date]:
    """Return days with several openings, but fewer than the card's maximum count."""
    today = date.fromisoformat(_get_card(http, search)["openings"]["from"])
    days = [today + timedelta(ahead) for ahead in range(FREE_TO_CHANGE.days, 14)]
    return [
        day
        for day in days
        if len(_bookable_starts(http, search, day)) > 1 and 1 < _count_in_search(http, search, day) < 31
    ]


def _bookable_starts(http: httpx.Client, search: Search, day: date, patient: str = "new") -> list[str]:
    """Return the starts that a patient may book on a day."""
    parameters = {"provider_location": search.provider_location, "from": str(day), "to": str(day), "patient": patient}
    response = http.get("/v1/availability", params={**parameters, "mode": "in_person"}).raise_for_status().json()
    return [each["start"] for each in response["provider_locations"][0]["openings"]]


def _refusal_reasons(http: httpx.Client, search: Search, start: str) -> list[str]:
    parameters = {"provider_location": search.provider_location, "start": start, "patient": "new", "mode": "in_person"}
    explanation = http.get("/v1/availability/explain", params=parameters).raise_for_status().json()
    return [each["code"] for each in explanation["reasons"]]


def _visit(search: Search, start: str) -> dict[str, str]:
    return {"provider_location_id": search.provider_location, "start": start, "patient": "new", "mode": "in_person"}


def _book(person: Person, search: Search, start: str, **visit: str) -> dict[str, Any]:
    """Hold and book a time, and check that the repeated booking returns the same bytes."""
    hold = person.ask("POST", "/v1/holds", 201, json={**_visit(search, start), **visit}).json()
    key = secrets.token_hex(16)
    responses = [person.ask("POST", "/v1/appointments", 201, key=key, json={"hold_id": hold["id"]}) for _ in range(2)]
    assert responses[0].content == responses[1].content
    appointment: dict[str, Any] = responses[0].json()
    assert (appointment["id"], appointment["state"], appointment["start"]) == (hold["id"], "booked", start)
    return appointment


def _review(person: Person, review: Mapping[str, Any]) -> None:
    """Submit the review as soon as `reviews` knows the visit."""

    def accepted() -> bool:
        response = person.http.post("/v1/reviews", json=review, headers=person.headers)
        assert response.status_code in (201, 404, 422), response.text
        return response.status_code == 201

    wait_for(accepted, seconds=PROPAGATION_SECONDS, what="the visit to reach reviews")


def _open_half_an_hour(http: httpx.Client, practice: Person, search: Search) -> str:
    """Add half an hour of opening time to a day without openings; return its start."""
    path = f"/v1/calendars/{search.provider_location}"
    response = practice.ask("GET", path, 200)
    today = datetime.fromisoformat(_get_card(http, search)["openings"]["first"][0]).date()
    days = [today + timedelta(ahead) for ahead in range(FREE_TO_CHANGE.days + 1, 14)]
    day = next(each for each in days if not _bookable_starts(http, search, each, patient="existing"))
    extra = {"day": str(day), "opens": "12:00", "closes": "12:30"}
    calendar = {**response.json(), "extra_hours": [extra]}
    practice.ask("PUT", path, 200, json=calendar, headers={"If-Match": response.headers["ETag"]})
    (start,) = _bookable_starts(http, search, day, patient="existing")
    return start


def _offer(person: Person, entry: str) -> dict[str, Any] | None:
    items = person.ask("GET", "/v1/waitlist", 200).json()["items"]
    return next((each["offer"] for each in items if each["id"] == entry), None)
