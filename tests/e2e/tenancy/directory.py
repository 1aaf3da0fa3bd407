"""Expected statuses of directory: everyone reads, staff change data of their practice, administrators all data."""

import itertools
import random
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from millrace_reference.npi import npi_check_digit
from tests.e2e.tenancy.rows import Actor, Ids, Row, Thing, World, everyone, only

FAMILY_MEDICINE = "207Q00000X"
_numbers = itertools.count(random.Random(60).randrange(10_000, 90_000) * 1_000)
ANY_VERSION = {"If-Match": "*"}
MERGE = {**ANY_VERSION, "Content-Type": "application/merge-patch+json"}

READ = everyone(200)


def changes(status: int) -> Mapping[Actor, int]:
    """Expect `status` for staff of the practice and administrators."""
    return {**only(status, Actor.STAFF, Actor.ADMIN, others=403), Actor.OTHER_STAFF: 404}


def creates(status: int) -> Mapping[Actor, int]:
    """Expect the same as `changes`, but 422 for other staff: the practice is in the body instead of the path."""
    return {**changes(status), Actor.OTHER_STAFF: 422}


def administers(status: int) -> Mapping[Actor, int]:
    return only(status, Actor.ADMIN, others=403)


def new_npi() -> str:
    first9 = f"1{next(_numbers):08d}"
    return f"{first9}{npi_check_digit(first9)}"


def new_plan_id() -> str:
    return f"PLAN-{uuid4().hex[:12]}"


def address() -> dict[str, Any]:
    return address_at(f"{next(_numbers)} N Lake Shore Dr")


def address_at(line1: str) -> dict[str, Any]:
    return {"line1": line1, "city": "Chicago", "state": "IL", "zip": "60610"}


def practice(world: World) -> Thing:
    return Thing({"practice_id": world.practice})


def spare_practice(world: World) -> Thing:
    return Thing({"practice_id": world.create("directory", "/v1/directory/practices", {"name": "Spare"})["id"]})


def location(world: World) -> Thing:
    return Thing({"location_id": addressed_location(world).ids["location_id"]})


def addressed_location(world: World) -> Thing:
    """Create a location; the ids include its practice and the first line of its address, which never change."""
    body = {"address": address(), "practice_id": world.practice}
    created = world.create("directory", "/v1/directory/locations", body)
    return Thing({"location_id": created["id"], "practice_id": world.practice, "line1": created["address"]["line1"]})


def provider(world: World) -> Thing:
    """Create a provider who works at this practice only."""
    return Thing({"npi": _create_provider_location(world)["npi"]})


def provider_location(world: World) -> Thing:
    created = _create_provider_location(world)
    return Thing({name: created[key] for name, key in _IDS.items()})


def shared_provider_location(world: World) -> Thing:
    """Create a provider of the practice, and a provider-location of that provider at a location of a new practice."""
    npi = _create_provider_location(world)["npi"]
    body = {"address": address(), "practice_id": spare_practice(world).ids["practice_id"]}
    elsewhere = world.create("directory", "/v1/directory/locations", body)
    created = world.create(
        "directory",
        "/v1/directory/provider-locations",
        provider_location_body({"npi": npi, "location_id": elsewhere["id"]}),
    )
    return Thing({name: created[key] for name, key in _IDS.items()})


_IDS = {"provider_location_id": "id", "npi": "npi", "location_id": "location_id"}


def unjoined_pair(world: World) -> Thing:
    """Create a provider and a location of the practice, not yet joined."""
    created = world.create("directory", "/v1/directory/providers", provider_body({"npi": new_npi()}))
    return Thing({"npi": created["npi"], "location_id": location(world).ids["location_id"]})


def plan(world: World) -> Thing:
    body = {"id": new_plan_id(), "name": "Lakeshore Silver PPO"}
    return Thing({"plan_id": world.create("directory", "/v1/directory/insurance-plans", body)["id"]})


def _create_provider_location(world: World) -> dict[str, Any]:
    return world.create(
        "directory", "/v1/directory/provider-locations", provider_location_body(unjoined_pair(world).ids)
    )


def provider_body(ids: Ids) -> dict[str, Any]:
    return {"npi": ids["npi"], "last_name": "Ruiz", "first_name": "Maria", "taxonomy": FAMILY_MEDICINE}


def provider_location_body(ids: Ids) -> dict[str, Any]:
    return {"npi": ids["npi"], "location_id": ids["location_id"], "taxonomy": FAMILY_MEDICINE}


def location_body(ids: Ids) -> dict[str, Any]:
    return {"address": address(), "practice_id": ids["practice_id"]}


PROVIDER_LOCATION = "/v1/directory/provider-locations/{provider_location_id}"
OWN_ID = frozenset({"provider_location_id"})
NPIS = {"npi": new_npi}
PLANS = {"plan_id": new_plan_id}

ROWS: dict[str, Row] = {
    "GET /v1/directory/practices": Row(
        READ, lambda _: Thing({"npi": new_npi()}), query=("npi",), unknown=200, makers=NPIS
    ),
    "POST /v1/directory/practices": Row(
        administers(201),
        lambda _: Thing({"id": str(uuid4())}),
        body=lambda ids: {"id": ids["id"], "name": "Seaside"},
        unknown=201,
    ),
    "GET /v1/directory/practices/{practice_id}": Row(READ, practice),
    "PUT /v1/directory/practices/{practice_id}": Row(
        changes(200), practice, body=lambda _: {"name": "Lakeside"}, headers=ANY_VERSION
    ),
    "PATCH /v1/directory/practices/{practice_id}": Row(
        changes(200), practice, body=lambda _: {"name": "Lakeside Clinic"}, headers=MERGE
    ),
    "DELETE /v1/directory/practices/{practice_id}": Row(administers(204), spare_practice, headers=ANY_VERSION),
    "GET /v1/directory/locations": Row(READ, practice, query=("practice_id",), unknown=200),
    "POST /v1/directory/locations": Row(creates(201), practice, body=location_body, unknown=422),
    "GET /v1/directory/locations/{location_id}": Row(READ, location),
    "PUT /v1/directory/locations/{location_id}": Row(
        changes(200),
        addressed_location,
        body=lambda ids: {"address": address_at(ids["line1"]), "practice_id": ids["practice_id"]},
        headers=ANY_VERSION,
        tenants=frozenset({"location_id"}),
    ),
    "PATCH /v1/directory/locations/{location_id}": Row(
        changes(200), location, body=lambda _: {"phone": "(312) 555-0142"}, headers=MERGE
    ),
    "DELETE /v1/directory/locations/{location_id}": Row(changes(204), location, headers=ANY_VERSION),
    "POST /v1/directory/providers": Row(
        administers(201), lambda _: Thing({"npi": new_npi()}), body=provider_body, unknown=201, makers=NPIS
    ),
    "GET /v1/directory/providers/{npi}": Row(READ, provider, makers=NPIS),
    "PUT /v1/directory/providers/{npi}": Row(
        changes(200), provider, body=provider_body, headers=ANY_VERSION, makers=NPIS
    ),
    "PATCH /v1/directory/providers/{npi}": Row(
        changes(200), provider, body=lambda _: {"credential": "MD"}, headers=MERGE, makers=NPIS
    ),
    "DELETE /v1/directory/providers/{npi}": Row(administers(204), provider, headers=ANY_VERSION, makers=NPIS),
    "GET /v1/directory/provider-locations": Row(
        READ, provider_location, query=("npi", "location_id"), unknown=200, makers=NPIS
    ),
    "POST /v1/directory/provider-locations": Row(
        creates(201), unjoined_pair, body=provider_location_body, unknown=422, tenants=frozenset({"location_id"})
    ),
    f"GET {PROVIDER_LOCATION}": Row(READ, provider_location, tenants=OWN_ID),
    f"PUT {PROVIDER_LOCATION}": Row(
        changes(200), provider_location, body=provider_location_body, headers=ANY_VERSION, tenants=OWN_ID
    ),
    f"PATCH {PROVIDER_LOCATION}": Row(
        changes(200), provider_location, body=lambda _: {"new_patients": True}, headers=MERGE, tenants=OWN_ID
    ),
    f"POST {PROVIDER_LOCATION}/confirm": Row(
        {**only(200, Actor.STAFF, Actor.ADMIN, others=403), Actor.OTHER_STAFF: 404},
        shared_provider_location,
        headers=ANY_VERSION,
        tenants=OWN_ID,
    ),
    f"DELETE {PROVIDER_LOCATION}": Row(changes(204), provider_location, headers=ANY_VERSION, tenants=OWN_ID),
    "POST /v1/directory/insurance-plans": Row(
        administers(201),
        lambda _: Thing({"id": new_plan_id()}),
        body=lambda ids: {"id": ids["id"], "name": "Gold"},
        unknown=201,
        makers={"id": new_plan_id},
    ),
    "GET /v1/directory/insurance-plans/{plan_id}": Row(READ, plan, makers=PLANS),
    "PUT /v1/directory/insurance-plans/{plan_id}": Row(
        administers(200),
        plan,
        body=lambda ids: {"id": ids["plan_id"], "name": "Gold"},
        headers=ANY_VERSION,
        makers=PLANS,
    ),
    "PATCH /v1/directory/insurance-plans/{plan_id}": Row(
        administers(200), plan, body=lambda _: {"name": "Gold"}, headers=MERGE, makers=PLANS
    ),
    "DELETE /v1/directory/insurance-plans/{plan_id}": Row(administers(204), plan, headers=ANY_VERSION, makers=PLANS),
    "GET /v1/insurance-plans/{plan_id}": Row(READ, plan, makers=PLANS),
    "GET /v1/specialties/{slug}": Row(READ, lambda _: Thing({"slug": "dermatology"})),
    "GET /v1/visit-reasons/{slug}": Row(READ, lambda _: Thing({"slug": "annual-physical"})),
}
