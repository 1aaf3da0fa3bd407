"""What the patient and the practice do, and what they are refused. A service that joins adds what its patients do."""

import calendar
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tests.e2e.canary.scene import Scene
from tests.support.platform import wait_for

FREE_DAYS = 20
"""So far ahead no made-up appointment takes a time."""


def keep_a_profile(scene: Scene) -> None:
    canary = scene.canaries
    person = canary.of("given_name", "family_name", "birth_date")
    address = {**canary.of("line1", "line2", "city", "zip"), "state": "NY"}
    profile = {**person, **canary.of("email", "phone"), "address": address, "sex": "X", "language": "es"}
    card = canary.of("plan_id", "member_id", "group_number", "subscriber_name")
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


def let_a_practice_read(scene: Scene) -> None:
    assert scene.own("PUT", f"/practices/{scene.practice}").is_success
    for path in ("", "/dependants", "/insurance-cards"):
        assert scene.ask("GET", f"/v1/patients/{scene.patient.id}{path}", scene.staff).is_success
    for path in ("/export", "/accesses"):
        assert scene.own("GET", path).is_success


def open_a_calendar(scene: Scene) -> None:
    """The practice does, and listens to what becomes of its appointments."""
    hours = [{"weekday": day.lower(), "opens": "00:00", "closes": "24:00"} for day in calendar.day_name]
    body = {"weekly_hours": hours, "visit_types": [{"id": "visit", "name": "Visit", "minutes": 15}]}
    path = f"/v1/calendars/{scene.place}"

    def opened() -> bool:
        return scene.ask("PUT", path, scene.staff, json=body, headers={"If-Match": "*"}).is_success

    wait_for(opened, seconds=60, what="the place's way to scheduling")
    webhook = scene.do(scene.staff, "/v1/webhooks", {"url": "https://hooks.example.com/millrace"})
    scene.do(scene.staff, f"/v1/webhooks/{webhook['id']}/ping")


def book(scene: Scene, hours: int) -> str:
    """Hold a time so many hours ahead, and book it; the appointment's id."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours)
    dependant = scene.own("GET", "/dependants").json()["items"][0]["id"]
    wanted = {"provider_location_id": scene.place, "start": start.isoformat(), "dependant_id": dependant}
    hold = scene.do(scene.patient, "/v1/holds", wanted)
    scene.do(scene.patient, f"/v1/holds/{hold['id']}/extend")
    return str(scene.do(scene.patient, "/v1/appointments", {"hold_id": hold["id"]})["id"])


def book_move_and_cancel(scene: Scene) -> None:
    appointment = f"/v1/appointments/{book(scene, 24 * FREE_DAYS)}"
    scene.letter("booked")
    scene.do(scene.patient, f"{appointment}/confirm")
    start = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) + timedelta(days=FREE_DAYS, hours=8)
    scene.do(scene.patient, f"{appointment}/reschedule", {"start": start.isoformat()})
    feed = scene.do(scene.patient, "/v1/appointments/feeds", {})["path"]
    scene.canaries.secrets.append(feed.rpartition("/")[2].removesuffix(".ics"))
    for path, who in ((appointment, scene.staff), (f"{appointment}/calendar.ics", scene.patient), (feed, None)):
        assert scene.ask("GET", path, who).is_success
    scene.letter("moved")
    scene.do(scene.patient, f"{appointment}/cancel", {"reason": "other"})
    scene.letter("cancelled")


def wait_in_line(scene: Scene) -> None:
    day = str((datetime.now(UTC) + timedelta(days=50)).date())
    scene.do(scene.patient, "/v1/waitlist", {"provider_location_id": scene.place, "from": day, "to": day})


def review_a_visit(scene: Scene) -> None:
    visit = book(scene, 24 * FREE_DAYS + 24)
    for step in ("arrived", "completed"):
        scene.do(scene.staff, f"/v1/appointments/{visit}/{step}")
    body = {"appointment_id": visit, "overall": 5, "bedside_manner": 5, "wait_time": 5, "text": "Listened."}

    def reviewed() -> str | None:
        answer = scene.ask("POST", "/v1/reviews", scene.patient, json=body)
        return str(answer.json()["id"]) if answer.is_success else None

    review = f"/v1/reviews/{wait_for(reviewed, seconds=60, what='the visit and its way to reviews')}"
    assert scene.ask("PUT", f"{review}/reply", scene.staff, json={"text": "Thank you."}).is_success
    assert scene.ask("PUT", f"{review}/flag", scene.patient, json={"reason": "off_topic"}).is_success


def err_at_bookings(scene: Scene) -> None:
    """Canaries where ids, times, codes and addresses belong. (The names of unknown fields are told on purpose.)"""
    canary = scene.canaries.values
    email, name = canary["email"], canary["given_name"]
    key = {"Idempotency-Key": str(uuid4())}
    hold = {"provider_location_id": name, "start": email, "visit_reason": name, "dependant_id": email, "name": name}
    stars = {"appointment_id": email, "overall": name, "text": [name], "name": email}
    refused = [
        scene.ask("POST", "/v1/holds", scene.patient, json=hold, headers=key),
        scene.ask("POST", "/v1/appointments", scene.patient, json={"hold_id": name, "name": email}, headers=key),
        scene.ask("POST", "/v1/waitlist", scene.patient, json={**hold, "from": name, "to": email}, headers=key),
        scene.ask("POST", f"/v1/appointments/{email}/cancel", scene.patient, json={"reason": name}, headers=key),
        scene.ask("GET", f"/v1/appointments/{name}", scene.patient),
        scene.ask("GET", f"/v1/appointments/feeds/{name}.ics"),
        scene.ask("GET", "/v1/availability", params={"provider_location": email, "visit_reason": name}),
        scene.ask("PUT", f"/v1/calendars/{scene.place}", scene.staff, json={"name": email, "time_zone": name}),
        scene.ask("POST", "/v1/reviews", scene.patient, json=stars),
        scene.ask("GET", "/v1/reviews", params={"npi": email, "cursor": name}),
        scene.ask("GET", f"/v1/reviews/{email}", scene.patient),
        scene.ask("POST", "/v1/webhooks", scene.staff, json={"url": f"http://{name}", "events": [email], "name": name}),
        scene.ask("GET", f"/v1/webhooks/{email}", scene.staff),
    ]
    assert [answer.status_code for answer in refused if answer.is_success] == []


def err_in_every_way(scene: Scene) -> None:
    """Requests that are refused, with canaries where they don't belong."""
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
        scene.ask("GET", f"/v1/patients/{email}", scene.patient),
        scene.ask("GET", f"/v1/patients/{scene.patient.id}", headers={"Authorization": f"Bearer {name}.{name}.{name}"}),
        scene.ask("GET", f"/v1/patients/{scene.patient.id}/{name}", scene.patient, params={"email": email}),
        scene.ask("GET", f"/{name}", params={"email": email}),
        scene.ask("POST", "/v1/auth/sign-up", json={"email": f"{name} {email}"}),
        scene.ask("POST", "/v1/auth/verify-email", json=scene.canaries.of("token", "password")),
        scene.ask("POST", "/v1/auth/sign-in", json={"email": email, "password": f"not {canary['password']}"}),
        scene.ask("POST", "/v1/auth/refresh", json={"refresh_token": canary["token"]}),
        scene.ask("GET", "/v1/search", params={"near": canary["zip"], "name": name, "specialty": name}),
    ]
    assert [answer.status_code for answer in refused if answer.is_success] == []
    # Accepted, and nobody's business either.
    assert scene.ask("POST", "/v1/auth/password-reset", json={"email": email}).is_success
    assert scene.ask("GET", "/v1/suggest", params={"q": name}).is_success


ACTS: tuple[Callable[[Scene], None], ...] = (
    keep_a_profile,
    let_a_practice_read,
    open_a_calendar,
    book_move_and_cancel,
    wait_in_line,
    review_a_visit,
    err_at_bookings,
    err_in_every_way,
)
