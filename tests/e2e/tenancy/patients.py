"""Expected statuses of patients: patients see all their data, practices a part, support only the profile."""

import itertools
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from tests.e2e.tenancy import directory
from tests.e2e.tenancy.rows import Actor, Ids, Row, Thing, World, only
from tests.support.accounts import PROFILE

P = "/v1/patients/{patient_id}"
ANY_VERSION = {"If-Match": "*"}
_patients = itertools.count(1)

DEPENDANT = {**PROFILE, "given_name": "Byron", "relationship": "child"}
CARD = {"plan_id": "12345IL0010001", "member_id": "M 1"}


def own(status: int) -> Mapping[Actor, int]:
    """Expect `status` for the patient only."""
    return only(status, Actor.PATIENT, others=404)


def care(status: int) -> Mapping[Actor, int]:
    return only(status, Actor.PATIENT, Actor.STAFF, others=404)


def identity(status: int) -> Mapping[Actor, int]:
    return only(status, Actor.PATIENT, Actor.STAFF, Actor.SUPPORT, others=404)


def patient(world: World) -> Thing:
    return Thing({"patient_id": world.actors[Actor.PATIENT].id})


def erasable_patient(world: World) -> Thing:
    """Create a patient who may be erased."""
    created = world.accounts.patient(f"erasable-{next(_patients)}", shares_with=world.practice)
    return Thing({"patient_id": created.id}, owner=created)


def dependant(world: World) -> Thing:
    return _record(world, "dependants", DEPENDANT)


def card(world: World) -> Thing:
    _provide_plan(world)
    return _record(world, "insurance-cards", CARD)


def _record(world: World, collection: str, body: Mapping[str, Any]) -> Thing:
    owner = world.actors[Actor.PATIENT].id
    created = world.create("patients", f"/v1/patients/{owner}/{collection}", body, Actor.PATIENT)
    return Thing({"patient_id": owner, "record_id": created["id"]})


def cards_dependant(world: World) -> Thing:
    _provide_plan(world)
    ids = dependant(world).ids
    return Thing({"patient_id": ids["patient_id"], "dependant_id": ids["record_id"]})


def _provide_plan(world: World) -> None:
    """Create the plan that cards name, once."""
    body = {"id": CARD["plan_id"], "name": "Lakeside Silver"}
    world.once("plan of cards", lambda: world.create("directory", "/v1/directory/insurance-plans", body))


def practice_to_share_with(world: World) -> Thing:
    return Thing({**patient(world).ids, **directory.spare_practice(world).ids})


def shared_practice(world: World) -> Thing:
    thing, owner = practice_to_share_with(world), world.actors[Actor.PATIENT]
    path = f"{P}/practices/{{practice_id}}".format_map(thing.ids)
    world.http.put(f"{world.url('patients')}{path}", headers=owner.headers).raise_for_status()
    return thing


def account(world: World) -> Thing:
    return Thing({"account_id": world.actors[Actor.OTHER_PATIENT].id})


def unknown_email(_world: World) -> Thing:
    return Thing({"mail_id": str(uuid4())})


def card_of(ids: Ids) -> dict[str, Any]:
    return {**CARD, "dependant_id": ids["dependant_id"]}


ROLES = "/v1/auth/accounts/{account_id}/roles"

ROWS: dict[str, Row] = {
    f"GET {P}": Row(identity(200), patient),
    f"PUT {P}": Row(own(200), patient, body=lambda _: PROFILE, headers=ANY_VERSION),
    f"DELETE {P}": Row(own(204), erasable_patient),
    f"GET {P}/export": Row(own(200), patient),
    f"GET {P}/accesses": Row(own(200), patient),
    # The profile has no address, and the token is unknown.
    f"POST {P}/email-confirmation": Row(own(409), patient),
    f"POST {P}/email-confirmation/confirm": Row(own(422), patient, body=lambda _: {"token": "unknown"}),
    f"GET {P}/dependants": Row(care(200), patient),
    f"POST {P}/dependants": Row(own(201), patient, body=lambda _: DEPENDANT),
    f"GET {P}/dependants/{{record_id}}": Row(care(200), dependant),
    f"PUT {P}/dependants/{{record_id}}": Row(own(200), dependant, body=lambda _: DEPENDANT, headers=ANY_VERSION),
    f"DELETE {P}/dependants/{{record_id}}": Row(own(204), dependant, headers=ANY_VERSION),
    f"GET {P}/insurance-cards": Row(care(200), patient),
    f"POST {P}/insurance-cards": Row(own(201), cards_dependant, body=card_of, crossing=422),
    f"GET {P}/insurance-cards/{{record_id}}": Row(care(200), card),
    f"PUT {P}/insurance-cards/{{record_id}}": Row(own(200), card, body=lambda _: CARD, headers=ANY_VERSION),
    f"DELETE {P}/insurance-cards/{{record_id}}": Row(own(204), card, headers=ANY_VERSION),
    f"GET {P}/practices": Row(own(200), patient),
    # A patient may share with any practice.
    f"PUT {P}/practices/{{practice_id}}": Row(
        own(204), practice_to_share_with, tenants=frozenset({"patient_id"}), crossing=204
    ),
    f"DELETE {P}/practices/{{practice_id}}": Row(own(204), shared_practice),
    f"GET {ROLES}": Row(only(200, Actor.ADMIN, others=403), account),
    f"PUT {ROLES}": Row(only(200, Actor.ADMIN, others=403), account, body=lambda _: {"roles": ["patient"]}),
    # Services call these, except for the replay.
    "POST /internal/patients/contacts": Row(
        only(403, others=403),
        patient,
        body=lambda ids: {"patient_ids": list(ids.values())},
        headers={"Purpose-Of-Use": "HOPERAT"},
    ),
    "DELETE /internal/patients/outbox/{mail_id}": Row(only(403, others=403), unknown_email),
    "GET /internal/patients/{patient_id}/booking-permissions": Row(only(403, others=403), patient),
    "POST /internal/patients/replay": Row(
        only(200, Actor.ADMIN, others=403),
        lambda _: Thing({"after": str(uuid4())}),
        query=("after",),
        unknown=200,
        unrecorded="publishes ids only",
    ),
}
