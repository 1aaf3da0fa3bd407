"""Personal data stay in `patients`: fill every personal field with a canary, a unique value, and search all stores.

Each store must also contain a control value; otherwise finding no canary would prove nothing.
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
from tests.support.platform import Platform, wait_for
from tests.support.stores import encodings, store_contents

ENCRYPTED = "database patients"
"""The store that contains the canaries, but encrypted."""


def fields_of_bodies(document: Mapping[str, Any]) -> set[str]:
    """Return the names of all fields that clients may send, at all levels."""
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
        # The control of the read model: a practice's name is public.
        url = f"{platform.url}/v1/directory"
        listed = http.get(f"{url}/provider-locations", params={"limit": 200}).json()["items"]
        provider_location = next(each for each in listed if each["practice_id"] and each["accepted_plans"])
        plan = provider_location["accepted_plans"][0]
        practice = provider_location["practice_id"]
        staff = accounts.staff("canary-staff", "staff", practices=[practice])
        control = {"name": CONTROL}
        headers = {**admin.headers, "If-Match": "*", "Content-Type": "application/merge-patch+json"}
        http.patch(f"{url}/practices/{practice}", json=control, headers=headers).raise_for_status()
        email, password = canaries.values["email"], canaries.values["password"]
        accounts.sign_up(email, password)
        patient = accounts.sign_in(email, password)
        canaries.secrets += [patient.headers["Authorization"].removeprefix("Bearer ").rpartition(".")[2]]
        yield Scene(platform, canaries, staff, practice, provider_location["id"], plan, http, patient, [])


CONTROL = f"Control {secrets.token_hex(6)}"
CONTROLS: tuple[tuple[str, Callable[[Scene], str]], ...] = (
    ("stream changes", lambda scene: scene.patient.id),
    ("stream entities", lambda scene: scene.patient.id),
    ("table millrace-truth", lambda _: CONTROL),
    ("table millrace-refinery", lambda scene: scene.patient.id),
    ("database directory", lambda _: CONTROL),
    ("database scheduling", lambda scene: scene.provider_location),
    ("database reviews", lambda scene: scene.provider_location),
    ("database notifications", lambda scene: scene.provider_location),
    (ENCRYPTED, lambda scene: scene.patient.id),
    ("redis", lambda _: CONTROL),
    ("log", lambda _: "/v1/patients/{patient_id}/export"),
    ("telemetry traces", lambda _: "/v1/patients/{patient_id}/export"),
    ("telemetry metrics", lambda _: "/v1/patients/{patient_id}/export"),
    ("telemetry logs", lambda _: "/v1/patients/{patient_id}/export"),
)
"""A value that each store must contain, so that a search which finds no canary there proves something."""


@pytest.mark.timeout(300)
def test_personal_data_stays_in_patients(scene: Scene, telemetry: Receiver) -> None:
    for act in ACTS:
        act(scene)
    assert len(scene.refusals) > 10
    assert leaks(scene, telemetry) == set()
    assert scene.own("DELETE").is_success
    wait_for(lambda: scene.platform.status("patients")["outbox"]["backlog"] == 0, seconds=30, what="the last change")
    assert leaks(scene, telemetry) == set(), "after the erasure"


def leaks(scene: Scene, telemetry: Receiver) -> set[tuple[str, str]]:
    """Wait until each store contains its control, then return the canaries found, with their stores."""

    def complete_stores() -> dict[str, bytes] | None:
        found = store_contents(scene.platform, telemetry)
        return found if all(control(scene).encode() in found[store] for store, control in CONTROLS) else None

    contents = wait_for(complete_stores, seconds=90, what="the controls in every store")
    contents["refusals"] = b"\n".join(scene.refusals)
    return {
        (store, name)
        for store, content in contents.items()
        for name, canary in scene.canaries.needles()
        if any(encoded in content for encoded in encodings(canary))
    }
