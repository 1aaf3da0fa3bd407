"""Provider-locations that a practice creates for a provider of another practice: pending until that one confirms."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from millrace_platform.authentication import Role

from .running import DERMATOLOGY, FAMILY_MEDICINE, OAKLAND, Directory

Headers = dict[str, str]


@dataclass
class Claim:
    """A provider of one practice (`theirs`), and another practice (`mine`) with a location of its own."""

    directory: Directory
    theirs: dict[str, Any]
    mine: str
    location_id: str
    owner: Headers
    claimant: Headers

    async def create(self, headers: Headers | None = None) -> dict[str, Any]:
        """Create the provider-location of that provider at the location, as the other practice."""
        body = {"npi": self.theirs["npi"], "location_id": self.location_id, "taxonomy": FAMILY_MEDICINE}
        response = await self.directory.http.post(
            "/v1/directory/provider-locations", json=body, headers=headers or self.claimant
        )
        assert response.status_code == 201, response.text
        created: dict[str, Any] = response.json()
        return created

    async def confirm(self, identifier: str, headers: Headers, match: str = "*") -> httpx.Response:
        path = f"/v1/directory/provider-locations/{identifier}/confirm"
        return await self.directory.http.post(path, headers={**headers, "If-Match": match})


@pytest.fixture
async def claim(directory: Directory) -> Claim:
    theirs = await directory.create_provider_location()
    mine = (await directory.create("practices", name="Seaside"))["id"]
    location = await directory.create("locations", address=OAKLAND, practice_id=mine)
    owner = directory.token(Role.STAFF, practices=[theirs["practice_id"]])
    claimant = directory.token(Role.STAFF, practices=[mine])
    return Claim(directory, theirs, mine, location["id"], owner, claimant)


async def test_provider_location_for_a_provider_of_another_practice_is_pending(claim: Claim) -> None:
    assert claim.theirs["is_pending"] is False
    created = await claim.create()
    assert created["is_pending"] is True
    (event,) = await claim.directory.published_of(f"provider-location/{created['npi']}/{created['id']}")
    assert b'"is_pending":true' in bytes(event.data)


async def test_other_practice_confirms_and_the_event_says_so(claim: Claim) -> None:
    created = await claim.create()
    confirmed = await claim.confirm(created["id"], claim.owner, '"1"')
    assert (confirmed.status_code, confirmed.json()["is_pending"], confirmed.headers["ETag"]) == (200, False, '"2"')
    again = await claim.confirm(created["id"], claim.owner)
    assert (again.status_code, again.headers["ETag"]) == (200, '"2"')
    events = await claim.directory.published_of(f"provider-location/{created['npi']}/{created['id']}")
    assert [b'"is_pending":true' in bytes(each.data) for each in events] == [True, False]


async def test_administrators_create_confirmed_ones_and_confirm_pending_ones(claim: Claim) -> None:
    admin = claim.directory.token(Role.ADMIN)
    created = await claim.create()
    assert (await claim.confirm(created["id"], admin)).json()["is_pending"] is False
    await claim.directory.delete(f"provider-locations/{created['id']}", 2)
    assert (await claim.create(admin))["is_pending"] is False


async def test_only_another_practice_of_the_provider_can_confirm(claim: Claim) -> None:
    created = await claim.create()
    stranger = claim.directory.token(Role.STAFF, practices=[str(uuid4())])
    assert (await claim.confirm(created["id"], claim.claimant)).status_code == 403
    assert (await claim.confirm(created["id"], stranger)).status_code == 404
    assert (await claim.confirm(str(uuid4()), claim.owner)).status_code == 404
    assert (await claim.confirm(created["id"], claim.owner, '"9"')).status_code == 412
    assert (await claim.directory.get(f"provider-locations/{created['id']}"))["is_pending"] is True


async def test_a_pending_provider_location_confirms_no_other(claim: Claim) -> None:
    """Two practices that both claim a provider can't confirm each other."""
    third = (await claim.directory.create("practices", name="Hilltop"))["id"]
    address = {**OAKLAND, "line1": "500 30th St"}
    there = await claim.directory.create("locations", address=address, practice_id=third)
    accomplice = claim.directory.token(Role.STAFF, practices=[third])
    created = await claim.create()
    body = {"npi": claim.theirs["npi"], "location_id": there["id"], "taxonomy": FAMILY_MEDICINE}
    second = await claim.directory.http.post("/v1/directory/provider-locations", json=body, headers=accomplice)
    assert second.json()["is_pending"] is True
    assert (await claim.confirm(created["id"], accomplice)).status_code == 404
    assert (await claim.confirm(second.json()["id"], claim.claimant)).status_code == 404


async def test_changes_do_not_confirm(claim: Claim) -> None:
    created = await claim.create()
    path = f"/v1/directory/provider-locations/{created['id']}"
    headers = {**claim.claimant, "If-Match": "*"}
    put = await claim.directory.http.put(
        path, json={**created, "is_pending": False, "new_patients": True}, headers=headers
    )
    assert (put.status_code, put.json()["is_pending"], put.json()["new_patients"]) == (200, True, True)
    patch = {"is_pending": False, "taxonomy": DERMATOLOGY}
    patched = await claim.directory.http.patch(
        path, json=patch, headers={**headers, "Content-Type": "application/merge-patch+json"}
    )
    assert (patched.status_code, patched.json()["is_pending"]) == (200, True)
    deleted = await claim.directory.http.delete(path, headers=headers)
    assert deleted.status_code == 204
    assert (await claim.create())["is_pending"] is True, "one that is restored is pending again"


async def test_new_providers_and_staff_of_both_practices_need_no_confirmation(claim: Claim) -> None:
    fresh = await claim.directory.create_provider(2)
    body = {"npi": fresh["npi"], "location_id": claim.location_id, "taxonomy": FAMILY_MEDICINE}
    first = await claim.directory.http.post("/v1/directory/provider-locations", json=body, headers=claim.claimant)
    assert (first.status_code, first.json()["is_pending"]) == (201, False)
    both = claim.directory.token(Role.STAFF, practices=[claim.mine, claim.theirs["practice_id"]])
    assert (await claim.create(both))["is_pending"] is False


async def test_pending_provider_location_takes_no_rights_over_the_provider(claim: Claim) -> None:
    await claim.create()
    path, headers = f"/v1/directory/providers/{claim.theirs['npi']}", {"If-Match": "*"}
    merge = {"Content-Type": "application/merge-patch+json"}
    for caller, status in ((claim.owner, 200), (claim.claimant, 404)):
        response = await claim.directory.http.patch(
            path, json={"credential": "MD"}, headers={**headers, **merge, **caller}
        )
        assert response.status_code == status
