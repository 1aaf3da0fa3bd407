"""Booking, moving and ending appointments, as patients and staff see it."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.waiting import until

from .booking import HALF_PAST_NINE, NINE, TEN, Client, key, patient_of, shop, staff_of, times
from .running import ADMIN, Service, bearer

UNKNOWN = "01890a5d-ac96-774b-bcce-000000000000"
START_OF_NINE = 1_795_096_800.0
"""2026-11-19T14:00:00Z."""


async def told(service: Service, appointment: dict[str, Any], version: int) -> dict[str, Any]:
    """What the feed says of the appointment at a version."""
    subject = f"appointment/{appointment['id']}"

    def found() -> list[Any]:
        return [e for e in service.published() if e.subject == subject and e.entityversion == version]

    await until(lambda: bool(found()))
    data: dict[str, Any] = json.loads(bytes(found()[0].data))
    return data


async def test_a_hold_becomes_an_appointment(service: Service) -> None:
    place, ada = await shop(service), patient_of(service)
    held = (await ada.hold(place, visit_reason="annual-physical")).json()
    booked = await ada.post("/v1/appointments", {"hold_id": held["id"]})
    assert booked.status_code == 201, booked.text
    appointment = booked.json()
    assert booked.headers["Location"] == f"/v1/appointments/{held['id']}"
    assert booked.headers["ETag"] == '"1"'
    assert (appointment["state"], appointment["start"], appointment["patient_id"]) == ("booked", NINE, ada.id)
    assert NINE not in await times(service, place)
    service.clock.now += 600
    assert NINE not in await times(service, place)
    event = await told(service, appointment, 1)
    assert (event["state"], event["start"], event["patient_id"]) == ("booked", NINE, ada.id)
    assert (event["time_zone"], event["visit_reason"], event["minutes"]) == ("America/New_York", "annual-physical", 30)
    assert event["practice_id"] is not None


async def test_a_hold_is_booked_once_and_in_time(service: Service) -> None:
    place, ada = await shop(service), patient_of(service)
    held = (await ada.hold(place)).json()
    body = {"hold_id": held["id"]}
    assert (await ada.post("/v1/appointments", body)).status_code == 201
    again = await ada.post("/v1/appointments", body)
    assert (again.status_code, again.json()["type"]) == (409, "urn:millrace:problem:hold-used")
    assert (await ada.delete(f"/v1/holds/{held['id']}")).status_code == 409
    late = (await ada.hold(place, TEN)).json()
    service.clock.now += 300
    lapsed = await ada.post("/v1/appointments", {"hold_id": late["id"]})
    assert (lapsed.status_code, lapsed.json()["type"]) == (409, "urn:millrace:problem:hold-lapsed")
    assert (await ada.post("/v1/appointments", {"hold_id": UNKNOWN})).status_code == 404


async def test_it_is_shown_with_its_etag(service: Service) -> None:
    ada = patient_of(service)
    appointment = await ada.book(await shop(service))
    path = f"/v1/appointments/{appointment['id']}"
    shown = await ada.get(path)
    assert (shown.json(), shown.headers["ETag"]) == (appointment, '"1"')
    assert (await ada.get(path, **{"If-None-Match": '"1"'})).status_code == 304
    stale = await ada.act(appointment, "confirm", **{"If-Match": '"7"'})
    assert stale.status_code == 412
    fresh = await ada.act(appointment, "confirm", **{"If-Match": '"1"'})
    assert (fresh.status_code, fresh.headers["ETag"], fresh.json()["state"]) == (200, '"2"', "confirmed")


async def test_the_way_of_a_visit(service: Service) -> None:
    ada, staff = patient_of(service), staff_of(service)
    appointment = await ada.book(await shop(service))
    assert (await ada.act(appointment, "confirm")).json()["state"] == "confirmed"
    assert (await ada.act(appointment, "arrived")).status_code == 403
    assert (await staff.act(appointment, "completed")).json()["type"] == "urn:millrace:problem:wrong-state"
    assert (await staff.act(appointment, "arrived")).json()["state"] == "arrived"
    completed = await staff.act(appointment, "completed")
    assert completed.json()["state"] == "completed"
    assert (await staff.act(appointment, "cancel", {"reason": "other"})).status_code == 409
    event = await told(service, appointment, 4)
    assert (event["state"], event["completed_at"]) == ("completed", "2026-11-18T11:06:40.000Z")


async def test_nobody_misses_a_visit_before_it_begins(service: Service) -> None:
    staff = staff_of(service)
    appointment = await patient_of(service).book(await shop(service))
    early = await staff.act(appointment, "no_show")
    assert (early.status_code, early.json()["type"]) == (409, "urn:millrace:problem:too-early")
    service.clock.now = START_OF_NINE
    assert (await staff.act(appointment, "no_show")).json()["state"] == "no_show"


async def test_a_cancelled_time_is_free(service: Service) -> None:
    place, ada = await shop(service), patient_of(service)
    appointment = await ada.book(place)
    cancelled = await ada.act(appointment, "cancel", {"reason": "feeling_better"})
    assert (cancelled.json()["state"], cancelled.json()["cancelled_by"]) == ("cancelled", "patient")
    assert NINE in await times(service, place)
    assert (await patient_of(service).hold(place)).status_code == 201
    event = await told(service, appointment, 2)
    assert (event["cancelled_by"], event["cancellation_reason"]) == ("patient", "feeling_better")


async def test_each_side_has_its_own_reasons(service: Service) -> None:
    ada = patient_of(service)
    appointment = await ada.book(await shop(service))
    for client, reason in ((ada, "practice_closed"), (staff_of(service), "transport"), (ada, "because I say so")):
        answer = await client.act(appointment, "cancel", {"reason": reason})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "reason")
    by_staff = await staff_of(service).act(appointment, "cancel", {"reason": "practice_closed"})
    assert by_staff.json()["cancelled_by"] == "practice"


async def test_patients_keep_to_the_practices_deadline(service: Service) -> None:
    place, ada = await shop(service, cancellation_cutoff=120), patient_of(service)
    appointment = await ada.book(place)
    service.clock.now = START_OF_NINE - 120 * 60 + 1
    for action, body in (("cancel", {"reason": "other"}), ("reschedule", {"start": TEN})):
        late = await ada.act(appointment, action, body)
        assert (late.status_code, late.json()["type"]) == (409, "urn:millrace:problem:too-late")
    assert (await staff_of(service).act(appointment, "cancel", {"reason": "other"})).status_code == 200


async def test_a_move_frees_the_old_time_with_taking_the_new_one(service: Service) -> None:
    place, ada = await shop(service), patient_of(service)
    appointment = await ada.book(place)
    await ada.act(appointment, "confirm")
    moved = await ada.act(appointment, "reschedule", {"start": TEN})
    assert moved.status_code == 200, moved.text
    assert (moved.json()["start"], moved.json()["moved_from"], moved.json()["state"]) == (TEN, NINE, "booked")
    offered = await times(service, place)
    assert NINE in offered
    assert TEN not in offered
    event = await told(service, appointment, 3)
    assert (event["start"], event["moved_from"]) == (TEN, NINE)


async def test_a_move_to_a_taken_time_changes_nothing(service: Service) -> None:
    place, ada = await shop(service), patient_of(service)
    await patient_of(service).book(place, TEN)
    appointment = await ada.book(place)
    refused = await ada.act(appointment, "reschedule", {"start": TEN})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:millrace:problem:slot-taken")
    assert refused.json()["alternatives"]
    assert (await ada.get(f"/v1/appointments/{appointment['id']}")).json() == appointment
    assert (await patient_of(service).hold(place)).status_code == 409


async def test_a_move_may_overlap_its_own_time_only(service: Service) -> None:
    visit = {"id": "visit", "name": "Visit", "minutes": 60}
    place, ada = await shop(service, visit_types=[visit]), patient_of(service)
    appointment = await ada.book(place)
    later = await ada.act(appointment, "reschedule", {"start": HALF_PAST_NINE})
    assert later.json()["start"] == HALF_PAST_NINE
    await patient_of(service).book(place, "2026-11-19T10:30:00-05:00")
    assert (await ada.act(appointment, "reschedule", {"start": TEN})).status_code == 409


async def test_a_move_takes_a_hold(service: Service) -> None:
    place, ada = await shop(service), patient_of(service)
    appointment = await ada.book(place)
    held = (await ada.hold(place, TEN)).json()
    both = await ada.act(appointment, "reschedule", {"start": TEN, "hold_id": held["id"]})
    assert both.status_code == 422
    others = (await patient_of(service).hold(place, HALF_PAST_NINE)).json()
    assert (await ada.act(appointment, "reschedule", {"hold_id": others["id"]})).status_code == 404
    moved = await ada.act(appointment, "reschedule", {"hold_id": held["id"]})
    assert (moved.status_code, moved.json()["start"]) == (200, TEN)
    service.clock.now += 600
    offered = await times(service, place)
    assert (NINE in offered, TEN in offered) == (True, False)
    again = (await ada.hold(place, NINE)).json()
    assert (await ada.act(appointment, "reschedule", {"hold_id": again["id"]})).json()["start"] == NINE


async def test_two_who_change_places_at_once_dont_lose_theirs(service: Service) -> None:
    place, ada, bob = await shop(service), patient_of(service), patient_of(service)
    mine, yours = await ada.book(place, NINE), await bob.book(place, TEN)
    for _ in range(5):
        answers = await asyncio.gather(
            ada.act(mine, "reschedule", {"start": TEN}), bob.act(yours, "reschedule", {"start": NINE})
        )
        assert [answer.status_code for answer in answers] == [409, 409]
    assert (await ada.get(f"/v1/appointments/{mine['id']}")).json()["start"] == NINE


async def test_lists_are_paged_in_the_order_of_time(service: Service) -> None:
    place, ada = await shop(service), patient_of(service)
    starts = [NINE, HALF_PAST_NINE, TEN]
    for start in reversed(starts):
        await ada.book(place, start)
    other = await patient_of(service).book(place, "2026-11-20T09:00:00-05:00")
    seen, path = [], "/v1/appointments?limit=2"
    while path:
        page = await ada.get(path)
        seen += [each["start"] for each in page.json()["items"]]
        path = page.links["next"]["url"] if "next" in page.links else ""
    assert seen == starts
    query = f"/v1/appointments?provider_location={place}"
    assert len((await staff_of(service).get(query)).json()["items"]) == 4
    day = f"{query}&from=2026-11-20T00:00:00-05:00&to=2026-11-21T00:00:00-05:00".replace("+", "%2B")
    assert (await staff_of(service).get(day)).json()["items"] == [other]
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
    ids=["another patient", "staff elsewhere", "staff of nothing", "support"],
)
async def test_to_others_there_is_no_appointment(service: Service, headers: dict[str, str]) -> None:
    appointment = await patient_of(service).book(await shop(service))
    for method, path, body in requests_on(appointment):
        sent = {**headers, **key()}
        known = await service.client.request(method, path, json=body, headers=sent)
        unknown = await service.client.request(
            method, path.replace(appointment["id"], UNKNOWN), json=body, headers={**headers, **key()}
        )
        assert known.status_code == unknown.status_code
        assert known.status_code in {403, 404}
    assert (await Client(service, ADMIN).get(requests_on(appointment)[0][1])).json() == appointment


async def test_every_step_is_answered_once_under_its_key(service: Service) -> None:
    ada = patient_of(service)
    appointment = await ada.book(await shop(service))
    same = key("the-same")
    first = await ada.act(appointment, "cancel", {"reason": "other"}, **same)
    again = await ada.act(appointment, "cancel", {"reason": "other"}, **same)
    assert (again.status_code, again.content, again.headers["ETag"]) == (200, first.content, first.headers["ETag"])
    other = await ada.act(appointment, "cancel", {"reason": "transport"}, **same)
    assert other.status_code == 422


@pytest.mark.parametrize("path", ["/v1/appointments", f"/v1/appointments/{UNKNOWN}/cancel", "/v1/holds"])
async def test_without_a_key_nothing_is_done(service: Service, path: str) -> None:
    ada = patient_of(service)
    body = {"hold_id": UNKNOWN} if path.endswith("appointments") else {"reason": "other"}
    if path.endswith("holds"):
        body = {"provider_location_id": UNKNOWN, "start": NINE}
    answer = await service.client.post(path, json=body, headers=ada.headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:millrace:problem:idempotency-key-missing")
