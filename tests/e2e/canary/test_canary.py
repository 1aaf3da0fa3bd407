"""Personal data stays in `patients`: canaries in every personal field, then a look everywhere else.

Each look comes with a control, something that must be found there: a look that finds nothing proves nothing by itself.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.e2e.canary.acts import ACTS
from tests.e2e.canary.scene import NO_CANARIES, Canaries, Scene
from tests.support.accounts import Accounts
from tests.support.operations import METHODS
from tests.support.otlp import Receiver
from tests.support.places import forms, places
from tests.support.platform import Platform, wait_for

SEALED = "database patients"
"""Where the canaries do lie, but under a key."""


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
