"""Personal data stays in `patients`: canaries in every personal field, then a look everywhere else.

Each look comes with a control, something that must be found there: a look that finds nothing proves nothing by itself.
A service that joins adds what its patients do to `ACTS`.
"""

import calendar
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.accounts import Account, Accounts
from tests.support.operations import METHODS
from tests.support.otlp import Receiver
from tests.support.places import forms, places
from tests.support.platform import Platform, wait_for

SEALED = "database patients"
"""Where the canaries do lie, but under a key."""
FREE_DAYS = 20
"""So far ahead no made-up appointment takes a time."""
NO_CANARIES = frozenset(
    {"sex", "language", "state", "relationship", "roles", "practices", "dependant_id", "device_token", "refresh_token"}
)
"""Fields of few values, ids of others, and tokens, which are looked for as they are given out."""


def _digits(count: int) -> str:
    return "".join(secrets.choice("23456789") for _ in range(count))


def _name(what: str) -> str:
    return f"Canary{what.title()}{secrets.token_hex(6)}"


@dataclass
class Canaries:
    """A value for each personal field, by its name in the API; each is found nowhere else. `secrets` are tokens."""

    values: Mapping[str, str] = field(
        default_factory=lambda: {
            "email": f"canary{secrets.token_hex(6)}@example.org",
            "password": f"canary sentence {secrets.token_hex(6)}",
            "token": _name("token"),
            **{name: _name(name.replace("_", "")) for name in ("given_name", "family_name", "subscriber_name")},
            **{
                name: _name(name.replace("_", ""))
                for name in ("line1", "line2", "city", "plan_id", "member_id", "group_number")
            },
            "birth_date": f"1893-0{secrets.choice('123456789')}-1{secrets.choice('0123456789')}",
            "phone": _digits(10),
            "zip": f"{_digits(5)}-{_digits(4)}",
        }
    )
    secrets: list[str] = field(default_factory=list)

    def of(self, *names: str) -> dict[str, str]:
        return {name: self.values[name] for name in names}

    def needles(self) -> Iterator[tuple[str, str]]:
        yield from self.values.items()
        yield from (("a secret", secret) for secret in self.secrets)


@dataclass
class Scene:
    """A patient full of canaries, staff of a practice, and every answer that was a refusal."""

    platform: Platform
    canaries: Canaries
    staff: Account
    practice: str
    place: str
    http: httpx.Client
    patient: Account
    refusals: list[bytes]

    def ask(self, method: str, path: str, who: Account | None = None, **options: Any) -> httpx.Response:
        """Ask through the edge, as a client from outside would."""
        headers = {**(who.headers if who else {}), **options.pop("headers", {})}
        answer = self.http.request(method, f"{self.platform.url}{path}", headers=headers, **options)
        if not answer.is_success:
            self.refusals.append(answer.content + repr(dict(answer.headers)).encode())
        return answer

    def do(self, who: Account, path: str, body: Any = None) -> dict[str, Any]:
        """POST that must succeed."""
        answer = self.ask("POST", path, who, json=body, headers={"Idempotency-Key": str(uuid4())})
        assert answer.is_success, f"{path}: {answer.text}"
        made: dict[str, Any] = answer.json()
        return made

    def own(self, method: str, path: str = "", **options: Any) -> httpx.Response:
        """The patient asks for something of its own."""
        return self.ask(method, f"/v1/patients/{self.patient.id}{path}", self.patient, **options)


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
    letter(scene, "booked")
    scene.do(scene.patient, f"{appointment}/confirm")
    start = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) + timedelta(days=FREE_DAYS, hours=8)
    scene.do(scene.patient, f"{appointment}/reschedule", {"start": start.isoformat()})
    feed = scene.do(scene.patient, "/v1/appointments/feeds", {})["path"]
    scene.canaries.secrets.append(feed.rpartition("/")[2].removesuffix(".ics"))
    for path, who in ((appointment, scene.staff), (f"{appointment}/calendar.ics", scene.patient), (feed, None)):
        assert scene.ask("GET", path, who).is_success
    letter(scene, "moved")
    scene.do(scene.patient, f"{appointment}/cancel", {"reason": "other"})
    letter(scene, "cancelled")


def letter(scene: Scene, kind: str) -> None:
    """Wait until the patient got such a letter: with it the address was in `notifications`, and may stay nowhere."""
    url = f"{scene.platform.url}/internal/notifications/outbox"

    def came() -> bool:
        mails = scene.http.get(url).raise_for_status().json()["items"]
        return (kind, scene.canaries.values["email"]) in {(mail["kind"], mail["to"]) for mail in mails}

    wait_for(came, seconds=60, what=f"a letter that it is {kind}")


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


def fields_of_bodies(document: Mapping[str, Any]) -> set[str]:
    """The names of all fields that clients may send, through all levels."""
    found: set[str] = set()

    def visit(schema: Mapping[str, Any]) -> None:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        for name, one in schema.get("properties", {}).items():
            before = len(found)
            visit(one)
            if len(found) == before:
                found.add(name)
        for part in (*schema.get("anyOf", ()), *schema.get("allOf", ()), *schema.get("oneOf", ())):
            visit(part)

    for item in document["paths"].values():
        for method in METHODS & item.keys():
            for content in item[method].get("requestBody", {}).get("content", {}).values():
                visit(content["schema"])
    return found


def test_every_personal_field_has_its_canary(platform: Platform) -> None:
    document = httpx.get(f"{platform.variables['MILLRACE_PATIENTS_URL']}/openapi.json").json()
    assert fields_of_bodies(document) - NO_CANARIES == Canaries().values.keys()


@pytest.fixture
def scene(platform: Platform) -> Iterator[Scene]:
    accounts = Accounts(platform)
    admin = accounts.staff("canary-admin", "admin")
    canaries = Canaries()
    with httpx.Client(timeout=30) as http:
        # The control in the read model: what the directory says of a practice is no secret.
        url = f"{platform.url}/v1/directory"
        place = next(
            place
            for place in http.get(f"{url}/provider-locations", params={"limit": 200}).json()["items"]
            if place["practice_id"] is not None
        )
        practice = place["practice_id"]
        staff = accounts.staff("canary-staff", "staff", practices=[practice])
        control = {"name": CONTROL}
        headers = {**admin.headers, "If-Match": "*", "Content-Type": "application/merge-patch+json"}
        http.patch(f"{url}/practices/{practice}", json=control, headers=headers).raise_for_status()
        email, password = canaries.values["email"], canaries.values["password"]
        accounts.sign_up(email, password)
        patient = accounts.sign_in(email, password)
        canaries.secrets += [patient.headers["Authorization"].removeprefix("Bearer ").rpartition(".")[2]]
        yield Scene(platform, canaries, staff, practice, place["id"], http, patient, [])


CONTROL = f"Control {secrets.token_hex(6)}"
CONTROLS: tuple[tuple[str, Callable[[Scene], str]], ...] = (
    ("stream changes", lambda scene: scene.patient.id),
    ("stream entities", lambda scene: scene.patient.id),
    ("table millrace-truth", lambda _: CONTROL),
    ("table millrace-refinery", lambda scene: scene.patient.id),
    ("database directory", lambda _: CONTROL),
    ("database scheduling", lambda scene: scene.place),
    ("database reviews", lambda scene: scene.place),
    ("database notifications", lambda scene: scene.place),
    (SEALED, lambda scene: scene.patient.id),
    ("redis", lambda _: CONTROL),
    ("log", lambda _: "/v1/patients/{patient_id}/export"),
    ("telemetry traces", lambda _: "/v1/patients/{patient_id}/export"),
    ("telemetry metrics", lambda _: "/v1/patients/{patient_id}/export"),
    ("telemetry logs", lambda _: "/v1/patients/{patient_id}/export"),
)
"""What must be found, by place."""


@pytest.mark.timeout(300)
def test_personal_data_is_nowhere_but_in_patients(scene: Scene, telemetry: Receiver) -> None:
    for act in ACTS:
        act(scene)
    assert len(scene.refusals) > 10
    assert leaks(scene, telemetry) == set()
    assert scene.own("DELETE").is_success
    wait_for(lambda: scene.platform.status("patients")["outbox"]["backlog"] == 0, seconds=30, what="the last change")
    assert leaks(scene, telemetry) == set(), "after the erasure"


def leaks(scene: Scene, telemetry: Receiver) -> set[tuple[str, str]]:
    """Where which canary is, once every place has what must be found there."""

    def everywhere() -> dict[str, bytes] | None:
        found = places(scene.platform, telemetry)
        return found if all(control(scene).encode() in found[place] for place, control in CONTROLS) else None

    looked_at = wait_for(everywhere, seconds=90, what="all that the patient did, in every place")
    looked_at["refusals"] = b"\n".join(scene.refusals)
    return {
        (place, name)
        for place, content in looked_at.items()
        for name, canary in scene.canaries.needles()
        if any(form in content for form in forms(canary))
    }
