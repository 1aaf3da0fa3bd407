"""Resources over HTTP: create, read, change and delete them, and the problems of invalid requests."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from millrace_contracts.entities import practice_id, provider_location_id
from millrace_directory.location.model import id_of_address

from .running import CHICAGO, DERMATOLOGY, FAMILY_MEDICINE, OAKLAND, Directory, fields, npi

PLAN = {"id": "12345IL0010001", "name": "Lakeshore Silver PPO"}


async def test_practice_can_be_created_read_replaced_and_deleted(directory: Directory) -> None:
    created = await directory.http.post("/v1/directory/practices", json={"name": " Lakeside ", "phone": "312 555 0142"})
    assert created.status_code == 201
    assert created.headers["etag"] == '"1"'
    path = created.headers["location"].removeprefix("/v1/directory/")
    body = created.json()
    assert body == {"id": body["id"], "name": "Lakeside", "npi": None, "phone": "312 555 0142", "version": 1}

    shown = await directory.http.get(created.headers["location"])
    assert (shown.status_code, shown.json(), shown.headers["etag"]) == (200, body, '"1"')

    changed = await directory.put(path, {"name": "Lakeside Clinic"}, 1)
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert changed.json() == {**body, "name": "Lakeside Clinic", "phone": None, "version": 2}

    assert (await directory.delete(path, 2)).status_code == 204
    missing = await directory.http.get(created.headers["location"])
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")


async def test_putting_the_current_resource_changes_nothing(directory: Directory) -> None:
    created = await directory.create_provider_location()
    plan = await directory.create("insurance-plans", **PLAN, years=[2027, 2026])
    count = len(await directory.published())
    for path in (
        f"practices/{created['practice_id']}",
        f"locations/{created['location_id']}",
        f"providers/{created['npi']}",
        f"provider-locations/{created['id']}",
        f"insurance-plans/{plan['id']}",
    ):
        body = await directory.get(path)
        response = await directory.put(path, body, 1)
        assert (response.status_code, response.json(), response.headers["etag"]) == (200, body, '"1"')
    assert len(await directory.published()) == count


async def test_identifiers_are_derived_as_in_imports(directory: Directory) -> None:
    practice = await directory.create("practices", name="Lakeside", npi=npi(5))
    created = await directory.create_provider_location(practice=None)
    location = str(id_of_address(**CHICAGO))
    assert practice["id"] == practice_id(npi(5))
    assert created["location_id"] == location
    assert created["id"] == provider_location_id(npi(1), location)


async def test_administrators_can_choose_ids_of_practices(directory: Directory) -> None:
    one = str(uuid4())
    assert (await directory.create("practices", id=one, name="Lakeside"))["id"] == one


async def test_location_has_the_id_of_its_address_only(directory: Directory) -> None:
    here = await directory.create("locations", address=CHICAGO)
    there = str(id_of_address(**OAKLAND))
    for other in (there, str(uuid4()), here["id"]):
        response = await directory.http.post(
            "/v1/directory/locations", json={"id": other, "address": {**CHICAGO, "line1": "1 N Lake Shore Dr"}}
        )
        assert (response.status_code, fields(response)) == (422, ["id"])
    assert (await directory.create("locations", id=there, address=OAKLAND))["id"] == there


async def test_address_of_a_location_can_only_be_spelled_differently(directory: Directory) -> None:
    location = await directory.create("locations", address=CHICAGO)
    path = f"locations/{location['id']}"
    for body in ({"address": OAKLAND}, {"address": {**CHICAGO, "line2": "Suite 4"}}):
        moved = await directory.put(path, body, 1)
        assert (moved.status_code, fields(moved)) == (422, ["id"])
        assert "POST" in moved.json()["errors"][0]["remedy"]
    spelled = await directory.put(path, {"address": {**CHICAGO, "line1": "1200 North Lake Shore Drive"}}, 1)
    assert (spelled.status_code, spelled.json()["version"]) == (200, 2)
    again = await directory.http.post("/v1/directory/locations", json={"address": CHICAGO})
    assert again.status_code == 409


@pytest.mark.parametrize("collection", ["practices", "locations", "providers", "provider-locations", "insurance-plans"])
async def test_creating_an_existing_resource_is_a_conflict(directory: Directory, collection: str) -> None:
    created = await directory.create_provider_location()
    bodies: dict[str, dict[str, Any]] = {
        "practices": {"id": created["practice_id"], "name": "Another"},
        "locations": {"address": {**CHICAGO, "city": "CHICAGO "}},
        "providers": {"npi": created["npi"], "last_name": "X", "first_name": "Y", "taxonomy": FAMILY_MEDICINE},
        "provider-locations": {name: created[name] for name in ("npi", "location_id", "taxonomy")},
        "insurance-plans": PLAN,
    }
    await directory.create("insurance-plans", **PLAN)
    response = await directory.http.post(f"/v1/directory/{collection}", json=bodies[collection])
    assert response.status_code == 409
    assert "PUT" in response.json()["detail"]


async def test_only_one_of_concurrent_creations_succeeds(directory: Directory) -> None:
    responses = await asyncio.gather(
        *(directory.http.post("/v1/directory/insurance-plans", json={**PLAN, "name": str(n)}) for n in range(4))
    )
    assert sorted(response.status_code for response in responses) == [201, 409, 409, 409]


async def test_changes_require_the_current_version(directory: Directory) -> None:
    await directory.create("insurance-plans", **PLAN)
    url = f"/v1/directory/insurance-plans/{PLAN['id']}"
    for method, body in (("PUT", PLAN), ("PATCH", {"name": "x"}), ("DELETE", None)):
        absent = await directory.http.request(method, url, json=body)
        stale = await directory.http.request(method, url, json=body, headers={"If-Match": '"9"'})
        weak = await directory.http.request(method, url, json=body, headers={"If-Match": 'W/"1"'})
        bare = await directory.http.request(method, url, json=body, headers={"If-Match": "1"})
        statuses = (absent.status_code, stale.status_code, weak.status_code, bare.status_code)
        assert statuses == (428, 412, 412, 422)
    several = await directory.http.patch(url, json={"name": "A"}, headers={"If-Match": '"9", "1"'})
    any_version = await directory.http.patch(url, json={"name": "B"}, headers={"If-Match": "*"})
    assert (several.headers["etag"], any_version.headers["etag"]) == ('"2"', '"3"')


async def test_only_one_of_concurrent_changes_succeeds(directory: Directory) -> None:
    await directory.create("insurance-plans", **PLAN)
    path = f"insurance-plans/{PLAN['id']}"
    for version in range(1, 6):
        responses = await asyncio.gather(
            *(directory.put(path, {**PLAN, "name": f"{version}-{n}"}, version) for n in range(4))
        )
        assert sorted(response.status_code for response in responses) == [200, 412, 412, 412]
    versions = [envelope.entityversion for envelope in await directory.published_of(f"insurance-plan/{PLAN['id']}")]
    assert versions == [1, 2, 3, 4, 5, 6]


async def test_get_of_a_known_version_is_not_modified(directory: Directory) -> None:
    await directory.create("insurance-plans", **PLAN)
    url = f"/v1/directory/insurance-plans/{PLAN['id']}"
    same = await directory.http.get(url, headers={"If-None-Match": 'W/"1"'})
    other = await directory.http.get(url, headers={"If-None-Match": '"2"'})
    assert (same.status_code, same.content, other.status_code) == (304, b"", 200)


async def test_merge_patch_changes_only_its_members(directory: Directory) -> None:
    created = await directory.create_provider_location()
    url = f"/v1/directory/locations/{created['location_id']}"
    headers = {"If-Match": '"1"', "Content-Type": "application/merge-patch+json"}
    response = await directory.http.patch(
        url, content='{"address": {"line1": "1200 North Lake Shore Dr"}, "practice_id": null}', headers=headers
    )
    assert response.status_code == 200
    assert response.json()["address"] == {**CHICAGO, "line1": "1200 North Lake Shore Dr"}
    assert (response.json()["practice_id"], response.json()["practice_name"]) == (None, None)

    invalid = await directory.http.patch(url, json={"address": {"zip": None}}, headers={"If-Match": '"2"'})
    assert (invalid.status_code, fields(invalid)) == (422, ["address.zip"])


async def test_recreated_resource_gets_the_next_version(directory: Directory) -> None:
    await directory.create("insurance-plans", **PLAN)
    path = f"insurance-plans/{PLAN['id']}"
    await directory.delete(path, 1)
    assert (await directory.create("insurance-plans", **PLAN))["version"] == 3
    events = await directory.published_of(f"insurance-plan/{PLAN['id']}")
    assert [(one.type.rpartition(".")[2], one.entityversion, one.is_deletion) for one in events] == [
        ("created", 1, False),
        ("deleted", 2, True),
        ("created", 3, False),
    ]


PROVIDER = {"npi": npi(1), "last_name": "Ruiz", "first_name": "Maria", "taxonomy": FAMILY_MEDICINE}
INVALID_CODES = {"npi": "1234567890", "taxonomy": "999999999X", "languages": ["qq"]}
UNKNOWN_REFERENCES = {
    "npi": npi(1), "location_id": str(uuid4()), "taxonomy": FAMILY_MEDICINE, "accepted_plans": ["UNKNOWN-PLAN"]
}  # fmt: skip


@pytest.mark.parametrize(
    ("collection", "body", "invalid"),
    [
        ("locations", {"address": {**CHICAGO, "zip": "00000"}}, ["address.zip"]),
        ("locations", {"address": {**CHICAGO, "zip": "6061"}}, ["address.zip"]),
        ("locations", {"address": {**CHICAGO, "state": "ZZ"}}, ["address.state"]),
        ("locations", {"address": {**CHICAGO, "line1": "a\u0000b"}}, ["address.line1"]),
        ("locations", {"address": CHICAGO, "practice_id": str(uuid4())}, ["practice_id"]),
        ("locations", {"address": CHICAGO, "phone": "12"}, ["phone"]),
        ("locations", {"address": CHICAGO, "adress": CHICAGO}, ["adress"]),
        ("providers", {**PROVIDER, "last_name": "\u200b"}, ["last_name"]),
        ("providers", PROVIDER | INVALID_CODES, ["npi", "taxonomy", "languages[0]"]),
        ("provider-locations", UNKNOWN_REFERENCES, ["npi", "location_id", "accepted_plans"]),
    ],
)
async def test_problem_lists_all_invalid_fields(
    directory: Directory, collection: str, body: dict[str, Any], invalid: list[str]
) -> None:
    response = await directory.http.post(f"/v1/directory/{collection}", json=body)
    assert (response.status_code, fields(response)) == (422, invalid)
    assert await directory.published() == []


async def test_provider_location_cannot_refer_to_a_deleted_provider(directory: Directory) -> None:
    created = await directory.create_provider_location(practice=None)
    await directory.delete(f"provider-locations/{created['id']}", 1)
    await directory.delete(f"providers/{created['npi']}", 1)
    body = {name: created[name] for name in ("npi", "location_id", "taxonomy")}
    response = await directory.http.post("/v1/directory/provider-locations", json=body)
    assert (response.status_code, fields(response)) == (422, ["npi"])


async def test_numbers_are_not_accepted_as_booleans(directory: Directory) -> None:
    created = await directory.create_provider_location()
    response = await directory.put(f"provider-locations/{created['id']}", {**created, "new_patients": 0}, 1)
    assert (response.status_code, fields(response)) == (422, ["new_patients"])


async def test_provider_location_cannot_change_its_location(directory: Directory) -> None:
    created = await directory.create_provider_location()
    other = await directory.create("locations", address=OAKLAND)
    response = await directory.put(f"provider-locations/{created['id']}", {**created, "location_id": other["id"]}, 1)
    assert response.status_code == 422
    assert "location_id" in fields(response)


async def test_practices_cannot_share_an_npi(directory: Directory) -> None:
    first = await directory.create("practices", name="Lakeside", npi=npi(5))
    second = await directory.create("practices", name="Seaside")
    response = await directory.put(f"practices/{second['id']}", {"name": "Seaside", "npi": npi(5)}, 1)
    assert (response.status_code, fields(response)) == (422, ["npi"])
    assert first["id"] in response.json()["errors"][0]["remedy"]


async def test_resources_in_use_cannot_be_deleted(directory: Directory) -> None:
    created = await directory.create_provider_location()
    practice, location = f"practices/{created['practice_id']}", f"locations/{created['location_id']}"
    assert (await directory.delete(practice, 1)).status_code == 409
    response = await directory.delete(location, 1)
    assert (response.status_code, created["location_id"] in response.json()["detail"]) == (409, True)
    for path in (f"provider-locations/{created['id']}", location, practice):
        assert (await directory.delete(path, 1)).status_code == 204


@pytest.mark.parametrize(
    "path", ["providers/123", "locations/x", "insurance-plans/a%00b", "practices/%00", "provider-locations/1"]
)
async def test_invalid_keys_are_rejected(directory: Directory, path: str) -> None:
    assert (await directory.http.get(f"/v1/directory/{path}")).status_code == 422


async def test_plans_specialties_and_visit_reasons_are_public(directory: Directory) -> None:
    await directory.create("insurance-plans", **PLAN, issuer="Lakeshore Health")
    listed = await directory.http.get("/v1/insurance-plans", params={"issuer": "Lakeshore Health"})
    one = await directory.http.get(f"/v1/insurance-plans/{PLAN['id']}")
    assert [item["id"] for item in listed.json()["items"]] == [PLAN["id"]]
    assert one.json()["name"] == PLAN["name"]

    specialties = (await directory.http.get("/v1/specialties")).json()["items"]
    dermatology = next(item for item in specialties if DERMATOLOGY in item["taxonomies"])
    assert (await directory.http.get(f"/v1/specialties/{dermatology['slug']}")).json() == dermatology
    reasons = (await directory.http.get("/v1/visit-reasons")).json()["items"]
    assert (await directory.http.get(f"/v1/visit-reasons/{reasons[0]['slug']}")).json() == reasons[0]
    unknown = await directory.http.get("/v1/specialties/dermatologgy")
    assert (unknown.status_code, dermatology["slug"] in unknown.json()["detail"]) == (404, True)


async def test_openapi_documents_problems(directory: Directory) -> None:
    document = (await directory.http.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], path
            if "{" in path or method == "post":
                assert any(status.startswith("4") for status in operation["responses"]), (path, method)
            for status, response in operation["responses"].items():
                if status.startswith("4"):
                    assert "application/problem+json" in response["content"], (path, method, status)
    change = document["paths"]["/v1/directory/practices/{practice_id}"]["put"]["responses"]
    assert {"200", "404", "409", "412", "422", "428"} <= set(change)
