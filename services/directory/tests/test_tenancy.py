"""Permissions: administrators can write everything, staff data of its practices; data of others isn't found."""

from typing import Any
from uuid import uuid4

import pytest

from millrace_directory.location.model import id_of_address
from millrace_platform.authentication import Role

from .running import CHICAGO, DERMATOLOGY, FAMILY_MEDICINE, OAKLAND, Directory, fields, npi

PATCH = "application/merge-patch+json"
CHANGES: dict[str, dict[str, Any]] = {
    "practices": {"name": "Lakeside Clinic"},
    "locations": {"phone": "(312) 555-0199"},
    "provider-locations": {"new_patients": True},
    "providers": {"credential": "MD"},
}


async def change(directory: Directory, headers: dict[str, str], path: str, body: dict[str, Any]) -> Any:
    """Patch the current version."""
    return await directory.http.patch(f"/v1/directory/{path}", json=body, headers={"If-Match": "*", **headers})


def paths(entry: dict[str, Any]) -> dict[str, str]:
    """Return a path for each kind of entry that staff can change, by collection."""
    return {
        "practices": f"practices/{entry['practice_id']}",
        "locations": f"locations/{entry['location_id']}",
        "provider-locations": f"provider-locations/{entry['id']}",
        "providers": f"providers/{entry['npi']}",
    }


async def test_writes_require_a_token_and_a_role(directory: Directory) -> None:
    entry = await directory.create_provider_location()
    callers = [directory.token(), directory.token(Role.PATIENT), directory.token(Role.SUPPORT)]
    for collection, path in paths(entry).items():
        unauthenticated = await change(directory, {"Authorization": ""}, path, CHANGES[collection])
        assert unauthenticated.status_code == 401
        responses = [await change(directory, caller, path, CHANGES[collection]) for caller in callers]
        assert [response.status_code for response in responses] == [403, 403, 403]
    anonymous = await directory.http.post("/v1/directory/practices", json={}, headers={"Authorization": ""})
    assert anonymous.status_code == 401, "callers without permission get no problems of the body"


@pytest.mark.parametrize("collection", list(CHANGES))
async def test_staff_can_change_entries_of_its_practice(directory: Directory, collection: str) -> None:
    entry = await directory.create_provider_location()
    staff = directory.token(Role.STAFF, practices=[entry["practice_id"]])
    response = await change(directory, staff, paths(entry)[collection], CHANGES[collection])
    assert (response.status_code, response.headers["etag"]) == (200, '"2"')


@pytest.mark.parametrize("collection", list(CHANGES))
async def test_entries_of_other_practices_are_not_found(directory: Directory, collection: str) -> None:
    entry = await directory.create_provider_location()
    mine = await directory.create("practices", name="Seaside")
    staff = directory.token(Role.STAFF, practices=[mine["id"], "not-a-uuid"])
    unknown = npi(99) if collection == "providers" else str(uuid4())
    for path in (paths(entry)[collection], f"{collection}/{unknown}"):
        for match in ({"If-Match": '"1"'}, {"If-Match": '"9"'}, {"If-Match": "*"}):
            response = await change(directory, {**staff, **match}, path, CHANGES[collection])
            assert response.status_code == 404, path
            key = path.rpartition("/")[2]
            assert response.json()["detail"].replace(key, "…") == (
                f"There is no such {collection[:-1]}. Look it up in the list, or create it with POST."
            )
    assert (await directory.get(paths(entry)[collection]))["version"] == 1


async def test_staff_can_create_locations_of_its_own_practice_only(directory: Directory) -> None:
    theirs = await directory.create_provider_location()
    mine = await directory.create("practices", name="Seaside")
    staff = directory.token(Role.STAFF, practices=[mine["id"]])

    async def post(collection: str, **body: Any) -> Any:
        return await directory.http.post(f"/v1/directory/{collection}", json=body, headers=staff)

    for practice, text in (
        (theirs["practice_id"], "There is no such practice"),
        (str(uuid4()), "There is no such practice"),
    ):
        response = await post("locations", address=OAKLAND, practice_id=practice)
        assert (response.status_code, fields(response)) == (422, ["practice_id"])
        assert response.json()["errors"][0]["detail"].startswith(text)
    assert fields(await post("locations", address=OAKLAND)) == ["practice_id"], "a location without a practice"

    location = await post("locations", address=OAKLAND, practice_id=mine["id"])
    assert location.status_code == 201
    here = {"npi": theirs["npi"], "location_id": location.json()["id"], "taxonomy": FAMILY_MEDICINE}
    there = {**here, "npi": (await directory.create_provider(2))["npi"], "location_id": theirs["location_id"]}
    assert (await post("provider-locations", **here)).status_code == 201
    assert fields(await post("provider-locations", **there)) == ["location_id"]


async def test_staff_cannot_take_the_id_of_another_address(directory: Directory) -> None:
    """An import would move the providers of that address to the practice."""
    mine = await directory.create("practices", name="Seaside")
    staff = directory.token(Role.STAFF, practices=[mine["id"]])
    wanted = str(id_of_address(**CHICAGO))
    body = {"id": wanted, "address": OAKLAND, "practice_id": mine["id"]}
    created = await directory.http.post("/v1/directory/locations", json=body, headers=staff)
    assert (created.status_code, fields(created)) == (422, ["id"])
    own = await directory.http.post("/v1/directory/locations", json={**body, "id": None}, headers=staff)
    assert (own.status_code, own.json()["id"]) == (201, str(id_of_address(**OAKLAND)))
    path = f"/v1/directory/locations/{own.json()['id']}"
    headers = {**staff, "If-Match": "*"}
    moved = await directory.http.put(path, json={**own.json(), "address": CHICAGO}, headers=headers)
    assert (moved.status_code, fields(moved)) == (422, ["id"])
    renamed = await change(directory, staff, f"locations/{own.json()['id']}", {"id": wanted})
    assert (renamed.status_code, set(fields(renamed))) == (422, {"id"})
    assert (await directory.http.get(f"/v1/directory/locations/{wanted}")).status_code == 404


async def test_staff_cannot_transfer_entries(directory: Directory) -> None:
    theirs = await directory.create_provider_location()
    mine = await directory.create("practices", name="Seaside", npi=npi(5))
    location = await directory.create("locations", address=OAKLAND, practice_id=mine["id"])
    staff = directory.token(Role.STAFF, practices=[mine["id"]])
    for practice in (theirs["practice_id"], None):
        moved = await change(directory, staff, f"locations/{location['id']}", {"practice_id": practice})
        assert (moved.status_code, fields(moved)) == (422, ["practice_id"])
    renumbered = await change(directory, staff, f"practices/{mine['id']}", {"npi": npi(6)})
    assert (renumbered.status_code, fields(renumbered)) == (422, ["npi"])

    await directory.delete(f"provider-locations/{theirs['id']}", 1)
    await directory.delete(f"locations/{theirs['location_id']}", 1)
    body = {"id": theirs["location_id"], "address": CHICAGO, "practice_id": mine["id"]}
    taken = await directory.http.post("/v1/directory/locations", json=body, headers=staff)
    assert taken.status_code == 409, "the id of a deleted location belongs to its practice"


async def test_staff_cannot_change_a_provider_of_several_practices(directory: Directory) -> None:
    entry = await directory.create_provider_location()
    staff = directory.token(Role.STAFF, practices=[entry["practice_id"]])
    path = f"providers/{entry['npi']}"
    assert (await change(directory, staff, path, {"credential": "MD"})).status_code == 200

    elsewhere = await directory.create("locations", address=OAKLAND)
    second = await directory.create(
        "provider-locations", npi=entry["npi"], location_id=elsewhere["id"], taxonomy=DERMATOLOGY
    )
    assert (await change(directory, staff, path, {"credential": "DO"})).status_code == 404
    await directory.delete(f"provider-locations/{second['id']}", 1)
    assert (await change(directory, staff, path, {"credential": "DO"})).status_code == 200


async def test_some_writes_require_an_administrator(directory: Directory) -> None:
    entry = await directory.create_provider_location()
    staff = directory.token(Role.STAFF, practices=[entry["practice_id"]])
    plan = await directory.create("insurance-plans", id="PLAN-A", name="A")
    requests: list[tuple[str, str, Any]] = [
        ("POST", "practices", {"name": "Another"}),
        ("DELETE", f"practices/{entry['practice_id']}", None),
        ("POST", "providers", {"npi": npi(7), "last_name": "A", "first_name": "B", "taxonomy": FAMILY_MEDICINE}),
        ("DELETE", f"providers/{entry['npi']}", None),
        ("POST", "insurance-plans", {"id": "PLAN-B", "name": "B"}),
        ("PUT", f"insurance-plans/{plan['id']}", {"name": "B"}),
        ("PATCH", f"insurance-plans/{plan['id']}", {"name": "B"}),
        ("DELETE", f"insurance-plans/{plan['id']}", None),
    ]
    for method, path, body in requests:
        headers = {**staff, "If-Match": "*"}
        response = await directory.http.request(method, f"/v1/directory/{path}", json=body, headers=headers)
        assert response.status_code == 403, (method, path)
