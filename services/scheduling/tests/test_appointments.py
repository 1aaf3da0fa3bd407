"""Booking, moving and cancelling appointments through the API."""

import asyncio
import json
from typing import Any

import pytest

from millrace_feeds.testing import wait_until

from .booking import HALF_PAST_NINE, NINE, TEN, Client, bookable_location, free_starts, key, new_patient, staff_client
from .running import ADMIN, CALENDAR, UNKNOWN, Service, bearer

START_OF_NINE = 1_795_096_800.0
"""2026-11-19T14:00:00Z."""


async def published_data(service: Service, appointment: dict[str, Any], version: int) -> dict[str, Any]:
    """Wait for the event of the appointment at a version; return its data."""
    subject = f"appointment/{appointment['id']}"

    def found() -> list[Any]:
        return [e for e in service.published() if e.subject == subject and e.entityversion == version]

    await wait_until(lambda: bool(found()))
    data: dict[str, Any] = json.loads(bytes(found()[0].data))
    return data


async def test_hold_becomes_an_appointment(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    held = (await ada.hold(location, visit_reason="annual-physical")).json()
    booked = await ada.post("/v1/appointments", {"hold_id": held["id"]})
    assert booked.status_code == 201, booked.text
    appointment = booked.json()
    assert booked.headers["Location"] == f"/v1/appointments/{held['id']}"
    assert booked.headers["ETag"] == '"1"'
    assert (appointment["state"], appointment["start"], appointment["patient_id"]) == ("booked", NINE, ada.id)
    assert NINE not in await free_starts(service, location)
    service.clock.now += 600
    assert NINE not in await free_starts(service, location)
    event = await published_data(service, appointment, 1)
    assert (event["state"], event["start"], event["patient_id"]) == ("booked", NINE, ada.id)
    assert (event["time_zone"], event["visit_reason"], event["minutes"]) == ("America/New_York", "annual-physical", 30)
    assert event["practice_id"] is not None


async def test_hold_is_booked_once_and_before_it_expires(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    held = (await ada.hold(location)).json()
    body = {"hold_id": held["id"]}
    assert (await ada.post("/v1/appointments", body)).status_code == 201
    again = await ada.post("/v1/appointments", body)
    assert (again.status_code, again.json()["type"]) == (409, "urn:millrace:problem:hold-used")
    assert (await ada.delete(f"/v1/holds/{held['id']}")).status_code == 409
    late = (await ada.hold(location, TEN)).json()
    service.clock.now += 300
    expired = await ada.post("/v1/appointments", {"hold_id": late["id"]})
    assert (expired.status_code, expired.json()["type"]) == (409, "urn:millrace:problem:hold-lapsed")
    assert (await ada.post("/v1/appointments", {"hold_id": UNKNOWN})).status_code == 404


async def test_appointment_has_an_etag(service: Service) -> None:
    ada = new_patient(service)
    appointment = await ada.book(await bookable_location(service))
    path = f"/v1/appointments/{appointment['id']}"
    shown = await ada.get(path)
    assert (shown.json(), shown.headers["ETag"]) == (appointment, '"1"')
    assert (await ada.get(path, **{"If-None-Match": '"1"'})).status_code == 304
    stale = await ada.act(appointment, "confirm", **{"If-Match": '"7"'})
    assert stale.status_code == 412
    fresh = await ada.act(appointment, "confirm", **{"If-Match": '"1"'})
    assert (fresh.status_code, fresh.headers["ETag"], fresh.json()["state"]) == (200, '"2"', "confirmed")


async def test_visit_from_confirmation_to_completion(service: Service) -> None:
    ada, staff = new_patient(service), staff_client(service)
    appointment = await ada.book(await bookable_location(service))
    assert (await ada.act(appointment, "confirm")).json()["state"] == "confirmed"
    assert (await ada.act(appointment, "arrived")).status_code == 403
    assert (await staff.act(appointment, "completed")).json()["type"] == "urn:millrace:problem:wrong-state"
    early = await staff.act(appointment, "arrived")
    assert (early.status_code, early.json()["type"]) == (409, "urn:millrace:problem:too-early")
    assert "2026-11-19T07:00:00-05:00" in early.json()["detail"]
    service.clock.now = START_OF_NINE - 2 * 3600
    assert (await staff.act(appointment, "arrived")).json()["state"] == "arrived"
    assert (await staff.act(appointment, "completed")).json()["type"] == "urn:millrace:problem:too-early"
    service.clock.now = START_OF_NINE
    completed = await staff.act(appointment, "completed")
    assert completed.json()["state"] == "completed"
    assert (await staff.act(appointment, "cancel", {"reason": "other"})).status_code == 409
    event = await published_data(service, appointment, 4)
    assert (event["state"], event["completed_at"]) == ("completed", "2026-11-19T14:00:00.000Z")


async def test_no_show_before_the_visit_is_refused(service: Service) -> None:
    staff = staff_client(service)
    appointment = await new_patient(service).book(await bookable_location(service))
    early = await staff.act(appointment, "no_show")
    assert (early.status_code, early.json()["type"]) == (409, "urn:millrace:problem:too-early")
    service.clock.now = START_OF_NINE
    assert (await staff.act(appointment, "no_show")).json()["state"] == "no_show"


async def test_cancelled_time_is_free(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    appointment = await ada.book(location)
    cancelled = await ada.act(appointment, "cancel", {"reason": "feeling_better"})
    assert (cancelled.json()["state"], cancelled.json()["cancelled_by"]) == ("cancelled", "patient")
    assert NINE in await free_starts(service, location)
    assert (await new_patient(service).hold(location)).status_code == 201
    event = await published_data(service, appointment, 2)
    assert (event["cancelled_by"], event["cancellation_reason"]) == ("patient", "feeling_better")


async def test_each_side_has_its_own_cancellation_reasons(service: Service) -> None:
    ada = new_patient(service)
    appointment = await ada.book(await bookable_location(service))
    for client, reason in ((ada, "practice_closed"), (staff_client(service), "transport"), (ada, "because I say so")):
        response = await client.act(appointment, "cancel", {"reason": reason})
        assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "reason")
    by_staff = await staff_client(service).act(appointment, "cancel", {"reason": "practice_closed"})
    assert by_staff.json()["cancelled_by"] == "practice"


async def test_patient_changes_after_the_deadline_are_refused(service: Service) -> None:
    location, ada = await bookable_location(service, cancellation_cutoff=120), new_patient(service)
    appointment = await ada.book(location)
    service.clock.now = START_OF_NINE - 120 * 60 + 1
    for action, body in (("cancel", {"reason": "other"}), ("reschedule", {"start": TEN})):
        late = await ada.act(appointment, action, body)
        assert (late.status_code, late.json()["type"]) == (409, "urn:millrace:problem:too-late")
    assert (await staff_client(service).act(appointment, "cancel", {"reason": "other"})).status_code == 200


async def test_move_releases_the_old_time_and_reserves_the_new_one(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    appointment = await ada.book(location)
    await ada.act(appointment, "confirm")
    moved = await ada.act(appointment, "reschedule", {"start": TEN})
    assert moved.status_code == 200, moved.text
    assert (moved.json()["start"], moved.json()["moved_from"], moved.json()["state"]) == (TEN, NINE, "booked")
    offered = await free_starts(service, location)
    assert NINE in offered
    assert TEN not in offered
    event = await published_data(service, appointment, 3)
    assert (event["start"], event["moved_from"]) == (TEN, NINE)


async def test_move_to_its_own_start_changes_nothing(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    appointment = await ada.book(location)
    confirmed = (await ada.act(appointment, "confirm")).json()
    moved = await ada.act(appointment, "reschedule", {"start": NINE})
    assert (moved.status_code, moved.headers["ETag"], moved.json()) == (200, '"2"', confirmed)
    await ada.act(appointment, "reschedule", {"start": TEN})
    await published_data(service, appointment, 3)
    versions = [e.entityversion for e in service.published() if e.subject == f"appointment/{appointment['id']}"]
    assert versions == [1, 2, 3]
    await ada.act(appointment, "cancel", {"reason": "other"})
    refused = await ada.act(appointment, "reschedule", {"start": TEN})
    assert refused.json()["type"] == "urn:millrace:problem:wrong-state"


async def test_move_to_a_taken_time_changes_nothing(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    await new_patient(service).book(location, TEN)
    appointment = await ada.book(location)
    refused = await ada.act(appointment, "reschedule", {"start": TEN})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:millrace:problem:slot-taken")
    assert refused.json()["alternatives"]
    assert (await ada.get(f"/v1/appointments/{appointment['id']}")).json() == appointment
    assert (await new_patient(service).hold(location)).status_code == 409


async def test_move_is_refused_once_the_calendar_has_no_such_visits(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    appointment = await ada.book(location)
    video_only = {**CALENDAR, "visit_types": [{"id": "call", "name": "Call", "minutes": 30, "modes": ["video"]}]}
    await staff_client(service).put(f"/v1/calendars/{location}", video_only, **{"If-Match": '"1"'})
    refused = await ada.act(appointment, "reschedule", {"start": TEN})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:millrace:problem:conflict")


async def test_move_may_overlap_only_its_own_time(service: Service) -> None:
    visit = {"id": "visit", "name": "Visit", "minutes": 60}
    location, ada = await bookable_location(service, visit_types=[visit]), new_patient(service)
    appointment = await ada.book(location)
    later = await ada.act(appointment, "reschedule", {"start": HALF_PAST_NINE})
    assert later.json()["start"] == HALF_PAST_NINE
    await new_patient(service).book(location, "2026-11-19T10:30:00-05:00")
    assert (await ada.act(appointment, "reschedule", {"start": TEN})).status_code == 409


async def test_move_to_a_hold(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    appointment = await ada.book(location)
    held = (await ada.hold(location, TEN)).json()
    both = await ada.act(appointment, "reschedule", {"start": TEN, "hold_id": held["id"]})
    assert both.status_code == 422
    others = (await new_patient(service).hold(location, HALF_PAST_NINE)).json()
    assert (await ada.act(appointment, "reschedule", {"hold_id": others["id"]})).status_code == 404
    moved = await ada.act(appointment, "reschedule", {"hold_id": held["id"]})
    assert (moved.status_code, moved.json()["start"]) == (200, TEN)
    service.clock.now += 600
    offered = await free_starts(service, location)
    assert (NINE in offered, TEN in offered) == (True, False)
    again = (await ada.hold(location, NINE)).json()
    assert (await ada.act(appointment, "reschedule", {"hold_id": again["id"]})).json()["start"] == NINE


async def test_concurrent_swap_of_two_appointments_changes_neither(service: Service) -> None:
    location, ada, bob = await bookable_location(service), new_patient(service), new_patient(service)
    mine, yours = await ada.book(location, NINE), await bob.book(location, TEN)
    for _ in range(5):
        responses = await asyncio.gather(
            ada.act(mine, "reschedule", {"start": TEN}), bob.act(yours, "reschedule", {"start": NINE})
        )
        assert [response.status_code for response in responses] == [409, 409]
    assert (await ada.get(f"/v1/appointments/{mine['id']}")).json()["start"] == NINE


async def test_move_onto_another_visit_of_the_person_is_refused(service: Service) -> None:
    here, there = [await bookable_location(service) for _ in range(2)]
    ada = new_patient(service)
    moving, other = await ada.book(here, NINE), await ada.book(there, TEN)
    refused = await ada.act(moving, "reschedule", {"start": TEN})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:millrace:problem:person-busy")
    assert refused.json()["overlap"]["id"] == other["id"]
    by_staff = await staff_client(service).act(moving, "reschedule", {"start": TEN})
    assert (by_staff.status_code, by_staff.json()["type"]) == (409, "urn:millrace:problem:person-busy")
    assert other["id"] not in by_staff.text
    assert (await ada.get(f"/v1/appointments/{moving['id']}")).json() == moving


async def test_concurrent_swap_of_a_persons_two_visits_changes_neither(service: Service) -> None:
    ada = new_patient(service)
    one, two = [await ada.book(await bookable_location(service), start) for start in (NINE, TEN)]
    for _ in range(5):
        responses = await asyncio.gather(
            ada.act(one, "reschedule", {"start": TEN}), ada.act(two, "reschedule", {"start": NINE})
        )
        assert [response.status_code for response in responses] == [409, 409]


async def test_lists_are_paged_in_order_of_start(service: Service) -> None:
    location, ada = await bookable_location(service), new_patient(service)
    starts = [NINE, HALF_PAST_NINE, TEN]
    for start in reversed(starts):
        await ada.book(location, start)
    other = await new_patient(service).book(location, "2026-11-20T09:00:00-05:00")
    seen, path = [], "/v1/appointments?limit=2"
    while path:
        page = await ada.get(path)
        seen += [each["start"] for each in page.json()["items"]]
        path = page.links["next"]["url"] if "next" in page.links else ""
    assert seen == starts
    query = f"/v1/appointments?provider_location={location}"
    assert len((await staff_client(service).get(query)).json()["items"]) == 4
    day = f"{query}&from=2026-11-20T00:00:00-05:00&to=2026-11-21T00:00:00-05:00".replace("+", "%2B")
    assert (await staff_client(service).get(day)).json()["items"] == [other]
    until = "/v1/appointments?to=2026-11-19T09:30:00-05:00"
    assert [each["start"] for each in (await ada.get(until)).json()["items"]] == [NINE]
    reversed_range = await ada.get(f"{until}&from=2026-11-19T09:30:00-05:00")
    assert (reversed_range.status_code, reversed_range.json()["errors"][0]["field"]) == (422, "to")
    assert (await ada.get(query)).status_code == 404


def requests_on(appointment: dict[str, Any]) -> list[tuple[str, str, Any]]:
    path = f"/v1/appointments/{appointment['id']}"
    return [
        ("GET", path, None),
        ("POST", f"{path}/confirm", None),
        ("POST", f"{path}/cancel", {"reason": "other"}),
        ("POST", f"{path}/reschedule", {"start": TEN}),
        ("POST", f"{path}/arrived", None),
        ("POST", f"{path}/completed", None),
        ("POST", f"{path}/no_show", None),
    ]


@pytest.mark.parametrize(
    "headers",
    [bearer("patient", UNKNOWN), bearer("staff", UNKNOWN), bearer("staff"), bearer("support")],
    ids=["another patient", "staff of another practice", "staff without a practice", "support"],
)
async def test_appointment_of_others_returns_404(service: Service, headers: dict[str, str]) -> None:
    appointment = await new_patient(service).book(await bookable_location(service))
    for method, path, body in requests_on(appointment):
        sent = {**headers, **key()}
        known = await service.client.request(method, path, json=body, headers=sent)
        unknown = await service.client.request(
            method, path.replace(appointment["id"], UNKNOWN), json=body, headers={**headers, **key()}
        )
        assert known.status_code == unknown.status_code
        assert known.status_code in {403, 404}
    admin = Client(service, {**ADMIN, "Purpose-Of-Use": "HOPERAT"})
    assert (await admin.get(requests_on(appointment)[0][1])).json() == appointment


async def test_repeated_key_returns_the_stored_response(service: Service) -> None:
    ada = new_patient(service)
    appointment = await ada.book(await bookable_location(service))
    same = key("the-same")
    first = await ada.act(appointment, "cancel", {"reason": "other"}, **same)
    again = await ada.act(appointment, "cancel", {"reason": "other"}, **same)
    assert (again.status_code, again.content, again.headers["ETag"]) == (200, first.content, first.headers["ETag"])
    other = await ada.act(appointment, "cancel", {"reason": "transport"}, **same)
    assert other.status_code == 422


@pytest.mark.parametrize("path", ["/v1/appointments", f"/v1/appointments/{UNKNOWN}/cancel", "/v1/holds"])
async def test_missing_idempotency_key_is_refused(service: Service, path: str) -> None:
    ada = new_patient(service)
    body = {"hold_id": UNKNOWN} if path.endswith("appointments") else {"reason": "other"}
    if path.endswith("holds"):
        body = {"provider_location_id": UNKNOWN, "start": NINE}
    response = await service.client.post(path, json=body, headers=ada.headers)
    assert (response.status_code, response.json()["type"]) == (400, "urn:millrace:problem:idempotency-key-missing")
