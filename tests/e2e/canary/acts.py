"""Requests of a patient and a practice with personal data, both accepted and refused ones.

A new service adds its requests to `ACTS`.
"""

import calendar
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tests.e2e.canary.scene import Scene
from tests.support.platform import wait_for
from tests.support.visits import begin_visit

FREE_DAYS = 20
"""Days ahead on which the demo data have no appointments."""
HORIZON_DAYS = 40
WAITLIST_DAYS = 50
"""Days ahead that are beyond the horizon of the calendar and can be waited for."""


def store_profile(scene: Scene) -> None:
    canary = scene.canaries
    person = canary.of("given_name", "family_name", "birth_date")
    address = {**canary.of("line1", "line2", "city", "zip"), "state": "NY"}
    profile = {**person, **canary.of("email", "phone"), "address": address, "sex": "X", "language": "es"}
    card = {"plan_id": scene.plan, **canary.of("member_id", "group_number", "subscriber_name")}
    for version in ({}, {"If-Match": "*"}):
        assert scene.own("PUT", json=profile, headers=version).is_success
    dependant = scene.own("POST", "/dependants", json={**person, "relationship": "child"})
    assert dependant.is_success
    held = scene.own("POST", "/insurance-cards", json={**card, "dependant_id": dependant.json()["id"]})
    assert held.is_success
    for kind, made, body in (
        ("dependants", dependant, {**person, "relationship": "ward"}),
        ("insurance-cards", held, card),
    ):
        path = f"/{kind}/{made.json()['id']}"
        assert scene.own("PUT", path, json=body, headers={"If-Match": "*"}).is_success


def share_with_practice(scene: Scene) -> None:
    """Share all data with the practice; the booking of a visit shares less."""
    assert scene.own("PUT", f"/practices/{scene.practice}").is_success
    for path in ("", "/dependants", "/insurance-cards"):
        assert scene.send("GET", f"/v1/patients/{scene.patient.id}{path}", scene.staff).is_success
    for path in ("/export", "/accesses"):
        assert scene.own("GET", path).is_success


def open_calendar(scene: Scene) -> None:
    """Give the practice a calendar and a webhook for its appointments."""
    hours = [{"weekday": day.lower(), "opens": "00:00", "closes": "24:00"} for day in calendar.day_name]
    body = {
        "weekly_hours": hours,
        "visit_types": [{"id": "visit", "name": "Visit", "minutes": 15}],
        "horizon_days": HORIZON_DAYS,
    }
    path = f"/v1/calendars/{scene.provider_location}"

    def is_open() -> bool:
        return scene.send("PUT", path, scene.staff, json=body, headers={"If-Match": "*"}).is_success

    wait_for(is_open, seconds=60, what="the provider-location to reach scheduling")
    webhook = scene.do(scene.staff, "/v1/webhooks", {"url": "https://hooks.example.com/millrace"})
    scene.do(scene.staff, f"/v1/webhooks/{webhook['id']}/ping")


def book(scene: Scene, hours: int) -> str:
    """Hold and book a time that many hours ahead; return the appointment id."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours)
    dependant = scene.own("GET", "/dependants").json()["items"][0]["id"]
    body = {"provider_location_id": scene.provider_location, "start": start.isoformat(), "dependant_id": dependant}
    hold = scene.do(scene.patient, "/v1/holds", body)
    scene.do(scene.patient, f"/v1/holds/{hold['id']}/extend")
    return str(scene.do(scene.patient, "/v1/appointments", {"hold_id": hold["id"]})["id"])


def book_move_and_cancel(scene: Scene) -> None:
    appointment = f"/v1/appointments/{book(scene, 24 * FREE_DAYS)}"
    scene.wait_for_email("booked")
    scene.do(scene.patient, f"{appointment}/confirm")
    start = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) + timedelta(days=FREE_DAYS, hours=8)
    scene.do(scene.patient, f"{appointment}/reschedule", {"start": start.isoformat()})
    feed = scene.do(scene.patient, "/v1/appointments/feeds", {})["path"]
    scene.canaries.secrets.append(feed.rpartition("/")[2].removesuffix(".ics"))
    for path, who in ((appointment, scene.staff), (f"{appointment}/calendar.ics", scene.patient), (feed, None)):
        assert scene.send("GET", path, who).is_success
    scene.wait_for_email("moved")
    scene.do(scene.patient, f"{appointment}/cancel", {"reason": "other"})
    scene.wait_for_email("cancelled")


def join_waitlist(scene: Scene) -> None:
    # Joining is refused while a time is free.
    day = str((datetime.now(UTC) + timedelta(days=WAITLIST_DAYS)).date())
    scene.do(scene.patient, "/v1/waitlist", {"provider_location_id": scene.provider_location, "from": day, "to": day})


def review_visit(scene: Scene) -> None:
    visit = book(scene, 24 * FREE_DAYS + 24)
    begin_visit(scene.platform, visit)
    for step in ("arrived", "completed"):
        scene.do(scene.staff, f"/v1/appointments/{visit}/{step}")
    body = {"appointment_id": visit, "overall": 5, "bedside_manner": 5, "wait_time": 5, "text": "Listened."}

    def submit() -> str | None:
        response = scene.send("POST", "/v1/reviews", scene.patient, json=body)
        return str(response.json()["id"]) if response.is_success else None

    review = f"/v1/reviews/{wait_for(submit, seconds=60, what='the visit to reach reviews')}"
    assert scene.send("PUT", f"{review}/reply", scene.staff, json={"text": "Thank you."}).is_success
    assert scene.send("PUT", f"{review}/flag", scene.patient, json={"reason": "off_topic"}).is_success


def send_invalid_bookings(scene: Scene) -> None:
    """Send canaries as values of ids, times and codes, but not as field names, which errors may repeat."""
    canary = scene.canaries.values
    email, name = canary["email"], canary["given_name"]
    key = {"Idempotency-Key": str(uuid4())}
    hold = {"provider_location_id": name, "start": email, "visit_reason": name, "dependant_id": email, "name": name}
    stars = {"appointment_id": email, "overall": name, "text": [name], "name": email}
    refused = [
        scene.send("POST", "/v1/holds", scene.patient, json=hold, headers=key),
        scene.send("POST", "/v1/appointments", scene.patient, json={"hold_id": name, "name": email}, headers=key),
        scene.send("POST", "/v1/waitlist", scene.patient, json={**hold, "from": name, "to": email}, headers=key),
        scene.send("POST", f"/v1/appointments/{email}/cancel", scene.patient, json={"reason": name}, headers=key),
        scene.send("GET", f"/v1/appointments/{name}", scene.patient),
        scene.send("GET", f"/v1/appointments/feeds/{name}.ics"),
        scene.send("GET", "/v1/availability", params={"provider_location": email, "visit_reason": name}),
        scene.send(
            "PUT", f"/v1/calendars/{scene.provider_location}", scene.staff, json={"name": email, "time_zone": name}
        ),
        scene.send("POST", "/v1/reviews", scene.patient, json=stars),
        scene.send("GET", "/v1/reviews", params={"npi": email, "cursor": name}),
        scene.send("GET", f"/v1/reviews/{email}", scene.patient),
        scene.send(
            "POST", "/v1/webhooks", scene.staff, json={"url": f"http://{name}", "events": [email], "name": name}
        ),
        scene.send("GET", f"/v1/webhooks/{email}", scene.staff),
    ]
    assert [response.status_code for response in refused if response.is_success] == []


def send_invalid_requests(scene: Scene) -> None:
    """Send requests that are refused, with canaries in invalid bodies, headers, paths and queries."""
    canary = scene.canaries.values
    email, name = canary["email"], canary["given_name"]
    wrong = {key: [canary[key]] for key in ("given_name", "birth_date", "phone")}
    refused = [
        scene.own(
            "PUT", json=wrong | {"nickname": name, "sex": name, "email": f"{name} {email}"}, headers={"If-Match": "*"}
        ),
        scene.own("PUT", content=f'{{"given_name": "{name}"', headers={"Content-Type": "application/json"}),
        scene.own("PUT", content=name, headers={"Content-Type": "text/plain"}),
        scene.own("GET", headers={"Purpose-Of-Use": name}),
        scene.own("PUT", json={}, headers={"If-Match": name}),
        scene.own("POST", "/insurance-cards", json={"plan_id": f"{name}!", "member_id": f"{name}!"}),
        scene.send("GET", f"/v1/patients/{email}", scene.patient),
        scene.send(
            "GET", f"/v1/patients/{scene.patient.id}", headers={"Authorization": f"Bearer {name}.{name}.{name}"}
        ),
        scene.send("GET", f"/v1/patients/{scene.patient.id}/{name}", scene.patient, params={"email": email}),
        scene.send("GET", f"/{name}", params={"email": email}),
        scene.send("POST", "/v1/auth/sign-up", json={"email": f"{name} {email}"}),
        scene.send("POST", "/v1/auth/verify-email", json=scene.canaries.of("token", "password")),
        scene.send("POST", "/v1/auth/sign-in", json={"email": email, "password": f"not {canary['password']}"}),
        scene.send("POST", "/v1/auth/password", scene.patient, json=scene.canaries.of("current_password", "password")),
        scene.send("POST", "/v1/auth/refresh", json={"refresh_token": canary["token"]}),
        scene.send("GET", "/v1/search", params={"near": canary["zip"], "name": name, "specialty": name}),
    ]
    assert [response.status_code for response in refused if response.is_success] == []
    # These are accepted, and must not leak either.
    assert scene.send("POST", "/v1/auth/password-reset", json={"email": email}).is_success
    assert scene.send("GET", "/v1/suggest", params={"q": name}).is_success


ACTS: tuple[Callable[[Scene], None], ...] = (
    store_profile,
    share_with_practice,
    open_calendar,
    book_move_and_cancel,
    join_waitlist,
    review_visit,
    send_invalid_bookings,
    send_invalid_requests,
)
