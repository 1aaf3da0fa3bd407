"""Resources over HTTP: create, read, change, delete, and what a client is told when it can't be."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from millrace_contracts.entities import location_id, practice_id, provider_location_id

from .running import CHICAGO, DERMATOLOGY, FAMILY_MEDICINE, OAKLAND, Directory, fields, npi

PLAN = {"id": "12345IL0010001", "name": "Lakeshore Silver PPO"}


async def test_a_practice_lives_and_dies(directory: Directory) -> None:
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
    gone = await directory.http.get(created.headers["location"])
    assert (gone.status_code, gone.headers["content-type"]) == (404, "application/problem+json")


async def test_what_a_get_shows_can_be_put_back_and_changes_nothing(directory: Directory) -> None:
    place = await directory.place()
    plan = await directory.create("insurance-plans", **PLAN, years=[2027, 2026])
    told = len(await directory.told())
    for path in (
        f"practices/{place['practice_id']}",
        f"locations/{place['location_id']}",
        f"providers/{place['npi']}",
        f"provider-locations/{place['id']}",
        f"insurance-plans/{plan['id']}",
    ):
        body = await directory.get(path)
        answer = await directory.put(path, body, 1)
        assert (answer.status_code, answer.json(), answer.headers["etag"]) == (200, body, '"1"')
    assert len(await directory.told()) == told


async def test_identifiers_are_those_that_an_import_gives(directory: Directory) -> None:
    practice = await directory.create("practices", name="Lakeside", npi=npi(5))
    place = await directory.place(practice=None)
    location = location_id(line1="1200 N Lake Shore Dr", line2=None, city="Chicago", state="IL", zip5="60610")
    assert practice["id"] == practice_id(npi(5))
    assert place["location_id"] == location
    assert place["id"] == provider_location_id(npi(1), location)


async def test_a_client_may_name_a_practice_or_location_itself(directory: Directory) -> None:
    one, other = str(uuid4()), str(uuid4())
    assert (await directory.create("practices", id=one, name="Lakeside"))["id"] == one
    assert (await directory.create("locations", id=other, address=CHICAGO))["id"] == other


@pytest.mark.parametrize("collection", ["practices", "locations", "providers", "provider-locations", "insurance-plans"])
async def test_what_is_there_already_is_a_conflict(directory: Directory, collection: str) -> None:
    place = await directory.place()
    bodies: dict[str, dict[str, Any]] = {
        "practices": {"id": place["practice_id"], "name": "Another"},
        "locations": {"address": {**CHICAGO, "city": "CHICAGO "}},
        "providers": {"npi": place["npi"], "last_name": "X", "first_name": "Y", "taxonomy": FAMILY_MEDICINE},
        "provider-locations": {name: place[name] for name in ("npi", "location_id", "taxonomy")},
        "insurance-plans": PLAN,
    }
    await directory.create("insurance-plans", **PLAN)
    answer = await directory.http.post(f"/v1/directory/{collection}", json=bodies[collection])
    assert answer.status_code == 409
    assert "PUT" in answer.json()["detail"]


async def test_of_two_creations_at_once_one_wins(directory: Directory) -> None:
    answers = await asyncio.gather(
        *(directory.http.post("/v1/directory/insurance-plans", json={**PLAN, "name": str(n)}) for n in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_a_change_needs_the_version(directory: Directory) -> None:
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
    whatever = await directory.http.patch(url, json={"name": "B"}, headers={"If-Match": "*"})
    assert (several.headers["etag"], whatever.headers["etag"]) == ('"2"', '"3"')


async def test_of_changes_at_once_on_one_version_one_wins(directory: Directory) -> None:
    await directory.create("insurance-plans", **PLAN)
    path = f"insurance-plans/{PLAN['id']}"
    for version in range(1, 6):
        answers = await asyncio.gather(
            *(directory.put(path, {**PLAN, "name": f"{version}-{n}"}, version) for n in range(4))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    versions = [envelope.entityversion for envelope in await directory.told_of(f"insurance-plan/{PLAN['id']}")]
    assert versions == [1, 2, 3, 4, 5, 6]


async def test_a_known_version_is_not_sent_again(directory: Directory) -> None:
    await directory.create("insurance-plans", **PLAN)
    url = f"/v1/directory/insurance-plans/{PLAN['id']}"
    same = await directory.http.get(url, headers={"If-None-Match": 'W/"1"'})
    other = await directory.http.get(url, headers={"If-None-Match": '"2"'})
    assert (same.status_code, same.content, other.status_code) == (304, b"", 200)


async def test_a_merge_patch_changes_what_it_names(directory: Directory) -> None:
    place = await directory.place()
    url = f"/v1/directory/locations/{place['location_id']}"
    headers = {"If-Match": '"1"', "Content-Type": "application/merge-patch+json"}
    answer = await directory.http.patch(
        url, content='{"address": {"line2": "Suite 4"}, "practice_id": null}', headers=headers
    )
    assert answer.status_code == 200
    assert answer.json()["address"] == {**CHICAGO, "line2": "Suite 4"}
    assert (answer.json()["practice_id"], answer.json()["practice_name"]) == (None, None)

    invalid = await directory.http.patch(url, json={"address": {"zip": None}}, headers={"If-Match": '"2"'})
    assert (invalid.status_code, fields(invalid)) == (422, ["address.zip"])


async def test_what_was_deleted_comes_back_with_its_next_version(directory: Directory) -> None:
    await directory.create("insurance-plans", **PLAN)
    path = f"insurance-plans/{PLAN['id']}"
    await directory.delete(path, 1)
    assert (await directory.create("insurance-plans", **PLAN))["version"] == 3
    told = await directory.told_of(f"insurance-plan/{PLAN['id']}")
    assert [(one.type.rpartition(".")[2], one.entityversion, one.deleted) for one in told] == [
        ("created", 1, False),
        ("deleted", 2, True),
        ("created", 3, False),
    ]


async def test_every_invalid_field_is_named_at_once(directory: Directory) -> None:
    answer = await directory.http.post(
        "/v1/directory/providers",
        json={"npi": "1234567890", "last_name": "R", "first_name": "M", "taxonomy": "999999999X", "languages": ["qq"]},
    )
    assert (answer.status_code, fields(answer)) == (422, ["npi", "taxonomy", "languages[0]"])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"address": {**CHICAGO, "zip": "00000"}}, "address.zip"),
        ({"address": {**CHICAGO, "zip": "6061"}}, "address.zip"),
        ({"address": {**CHICAGO, "state": "ZZ"}}, "address.state"),
        ({"address": {**CHICAGO, "line1": "a\u0000b"}}, "address.line1"),
        ({"practice_id": str(uuid4())}, "practice_id"),
        ({"phone": "12"}, "phone"),
        ({"adress": CHICAGO}, "adress"),
    ],
)
async def test_a_location_that_nobody_could_find_is_refused(
    directory: Directory, change: dict[str, Any], field: str
) -> None:
    answer = await directory.http.post("/v1/directory/locations", json={"address": CHICAGO, **change})
    assert (answer.status_code, fields(answer)) == (422, [field])


async def test_a_name_that_nobody_can_see_is_refused(directory: Directory) -> None:
    body = {"npi": npi(1), "last_name": "\u200b", "first_name": "Maria", "taxonomy": FAMILY_MEDICINE}
    answer = await directory.http.post("/v1/directory/providers", json=body)
    assert (answer.status_code, fields(answer)) == (422, ["last_name"])
    assert await directory.told() == []


async def test_a_provider_location_refers_to_what_is_there(directory: Directory) -> None:
    answer = await directory.http.post(
        "/v1/directory/provider-locations",
        json={
            "npi": npi(1),
            "location_id": str(uuid4()),
            "taxonomy": FAMILY_MEDICINE,
            "accepted_plans": ["NOBODYS-PLAN"],
        },
    )
    assert (answer.status_code, fields(answer)) == (422, ["npi", "location_id", "accepted_plans"])


async def test_what_was_deleted_is_not_referred_to(directory: Directory) -> None:
    place = await directory.place(practice=None)
    await directory.delete(f"provider-locations/{place['id']}", 1)
    await directory.delete(f"providers/{place['npi']}", 1)
    body = {name: place[name] for name in ("npi", "location_id", "taxonomy")}
    answer = await directory.http.post("/v1/directory/provider-locations", json=body)
    assert (answer.status_code, fields(answer)) == (422, ["npi"])


async def test_a_number_is_no_truth_value(directory: Directory) -> None:
    place = await directory.place()
    answer = await directory.put(f"provider-locations/{place['id']}", {**place, "new_patients": 0}, 1)
    assert (answer.status_code, fields(answer)) == (422, ["new_patients"])


async def test_a_provider_location_stays_where_it_is(directory: Directory) -> None:
    place = await directory.place()
    other = await directory.create("locations", address=OAKLAND)
    answer = await directory.put(f"provider-locations/{place['id']}", {**place, "location_id": other["id"]}, 1)
    assert answer.status_code == 422
    assert "location_id" in fields(answer)


async def test_an_npi_belongs_to_one_practice(directory: Directory) -> None:
    first = await directory.create("practices", name="Lakeside", npi=npi(5))
    second = await directory.create("practices", name="Seaside")
    answer = await directory.put(f"practices/{second['id']}", {"name": "Seaside", "npi": npi(5)}, 1)
    assert (answer.status_code, fields(answer)) == (422, ["npi"])
    assert first["id"] in answer.json()["errors"][0]["remedy"]


async def test_what_others_need_is_not_deleted(directory: Directory) -> None:
    place = await directory.place()
    practice, location = f"practices/{place['practice_id']}", f"locations/{place['location_id']}"
    assert (await directory.delete(practice, 1)).status_code == 409
    refused = await directory.delete(location, 1)
    assert (refused.status_code, place["location_id"] in refused.json()["detail"]) == (409, True)
    for path in (f"provider-locations/{place['id']}", location, practice):
        assert (await directory.delete(path, 1)).status_code == 204


@pytest.mark.parametrize(
    "path", ["providers/123", "locations/x", "insurance-plans/a%00b", "practices/%00", "provider-locations/1"]
)
async def test_an_impossible_key_is_no_server_error(directory: Directory, path: str) -> None:
    assert (await directory.http.get(f"/v1/directory/{path}")).status_code == 422


async def test_patients_see_plans_specialties_and_visit_reasons(directory: Directory) -> None:
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


async def test_the_api_description_says_what_can_go_wrong(directory: Directory) -> None:
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
