"""Who may write: administrators everything, staff what its practices run. Another's answers like what isn't there."""

from typing import Any
from uuid import uuid4

import pytest

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
    """PATCH whatever version is there."""
    return await directory.http.patch(f"/v1/directory/{path}", json=body, headers={"If-Match": "*", **headers})


def paths(place: dict[str, Any]) -> dict[str, str]:
    """One of each kind that a practice runs, by collection."""
    return {
        "practices": f"practices/{place['practice_id']}",
        "locations": f"locations/{place['location_id']}",
        "provider-locations": f"provider-locations/{place['id']}",
        "providers": f"providers/{place['npi']}",
    }


async def test_writes_need_a_token_and_a_role(directory: Directory) -> None:
    place = await directory.place()
    callers = [directory.token(), directory.token(Role.PATIENT), directory.token(Role.SUPPORT)]
    for collection, path in paths(place).items():
        nobody = await change(directory, {"Authorization": ""}, path, CHANGES[collection])
        assert nobody.status_code == 401
        answers = [await change(directory, caller, path, CHANGES[collection]) for caller in callers]
        assert [answer.status_code for answer in answers] == [403, 403, 403]
    anonymous = await directory.http.post("/v1/directory/practices", json={}, headers={"Authorization": ""})
    assert anonymous.status_code == 401, "who may not write isn't told what is wrong with the body"


@pytest.mark.parametrize("collection", list(CHANGES))
async def test_staff_changes_what_its_practice_runs(directory: Directory, collection: str) -> None:
    place = await directory.place()
    staff = directory.token(Role.STAFF, practices=[place["practice_id"]])
    answer = await change(directory, staff, paths(place)[collection], CHANGES[collection])
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')


@pytest.mark.parametrize("collection", list(CHANGES))
async def test_anothers_answers_like_what_is_not_there(directory: Directory, collection: str) -> None:
    place = await directory.place()
    mine = await directory.create("practices", name="Seaside")
    staff = directory.token(Role.STAFF, practices=[mine["id"], "not-a-uuid"])
    unknown = npi(99) if collection == "providers" else str(uuid4())
    for path in (paths(place)[collection], f"{collection}/{unknown}"):
        for match in ({"If-Match": '"1"'}, {"If-Match": '"9"'}, {"If-Match": "*"}):
            answer = await change(directory, {**staff, **match}, path, CHANGES[collection])
            assert answer.status_code == 404, path
            key = path.rpartition("/")[2]
            assert answer.json()["detail"].replace(key, "…") == (
                f"There is no {collection[:-1]} …. The list shows what there is; POST creates one."
            )
    assert (await directory.get(paths(place)[collection]))["version"] == 1


async def test_staff_opens_places_at_its_own_practice_only(directory: Directory) -> None:
    theirs = await directory.place()
    mine = await directory.create("practices", name="Seaside")
    staff = directory.token(Role.STAFF, practices=[mine["id"]])

    async def post(collection: str, **body: Any) -> Any:
        return await directory.http.post(f"/v1/directory/{collection}", json=body, headers=staff)

    for practice, text in ((theirs["practice_id"], "There is no practice"), (str(uuid4()), "There is no practice")):
        refused = await post("locations", address=OAKLAND, practice_id=practice)
        assert (refused.status_code, fields(refused)) == (422, ["practice_id"])
        assert refused.json()["errors"][0]["detail"].startswith(text)
    assert fields(await post("locations", address=OAKLAND)) == ["practice_id"], "a location of nobody's"

    location = await post("locations", address=OAKLAND, practice_id=mine["id"])
    assert location.status_code == 201
    here = {"npi": theirs["npi"], "location_id": location.json()["id"], "taxonomy": FAMILY_MEDICINE}
    there = {**here, "npi": (await directory.create_provider(2))["npi"], "location_id": theirs["location_id"]}
    assert (await post("provider-locations", **here)).status_code == 201
    assert fields(await post("provider-locations", **there)) == ["location_id"]


async def test_staff_gives_nothing_away_and_takes_nothing_over(directory: Directory) -> None:
    theirs = await directory.place()
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
    assert taken.status_code == 409, "a deleted location's identifier stays with its practice"


async def test_a_provider_of_several_practices_is_changed_by_none_of_them(directory: Directory) -> None:
    place = await directory.place()
    staff = directory.token(Role.STAFF, practices=[place["practice_id"]])
    path = f"providers/{place['npi']}"
    assert (await change(directory, staff, path, {"credential": "MD"})).status_code == 200

    elsewhere = await directory.create("locations", address=OAKLAND)
    second = await directory.create(
        "provider-locations", npi=place["npi"], location_id=elsewhere["id"], taxonomy=DERMATOLOGY
    )
    assert (await change(directory, staff, path, {"credential": "DO"})).status_code == 404
    await directory.delete(f"provider-locations/{second['id']}", 1)
    assert (await change(directory, staff, path, {"credential": "DO"})).status_code == 200


async def test_what_administrators_alone_write(directory: Directory) -> None:
    place = await directory.place()
    staff = directory.token(Role.STAFF, practices=[place["practice_id"]])
    plan = await directory.create("insurance-plans", id="PLAN-A", name="A")
    requests: list[tuple[str, str, Any]] = [
        ("POST", "practices", {"name": "Another"}),
        ("DELETE", f"practices/{place['practice_id']}", None),
        ("POST", "providers", {"npi": npi(7), "last_name": "A", "first_name": "B", "taxonomy": FAMILY_MEDICINE}),
        ("DELETE", f"providers/{place['npi']}", None),
        ("POST", "insurance-plans", {"id": "PLAN-B", "name": "B"}),
        ("PUT", f"insurance-plans/{plan['id']}", {"name": "B"}),
        ("PATCH", f"insurance-plans/{plan['id']}", {"name": "B"}),
        ("DELETE", f"insurance-plans/{plan['id']}", None),
    ]
    for method, path, body in requests:
        headers = {**staff, "If-Match": "*"}
        answer = await directory.http.request(method, f"/v1/directory/{path}", json=body, headers=headers)
        assert answer.status_code == 403, (method, path)
