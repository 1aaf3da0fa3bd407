"""Changes of dependent entities that follow from a change, as published on the feed."""

import asyncio
from collections.abc import Sequence

import pytest

from millrace_contracts.entities import Location, ProviderLocation
from millrace_contracts.envelope import Envelope
from millrace_contracts.registry import decode_entity

from .running import CHICAGO, FAMILY_MEDICINE, Directory, npi, running_directory

NORTH, DRIVE = "1200 North Lake Shore Dr", "1200 N Lake Shore Drive"
RESPELLED = {**CHICAGO, "line1": DRIVE}
PLANS = ("12345IL0010001", "12345IL0010002")


async def _create_providers(directory: Directory, size: int) -> tuple[str, str, list[str]]:
    """Create providers at a location; return the ids of practice and location, and the subjects of the events."""
    first = await directory.create_provider_location()
    others = [await directory.create_provider_location(n, location_id=first["location_id"]) for n in range(2, size + 1)]
    subjects = [f"provider-location/{created['npi']}/{created['id']}" for created in (first, *others)]
    return first["practice_id"], first["location_id"], subjects


def _last(envelopes: Sequence[Envelope], subject: str) -> Envelope:
    return [envelope for envelope in envelopes if envelope.subject == subject][-1]


async def test_renaming_a_practice_updates_its_locations_and_provider_locations(directory: Directory) -> None:
    practice, location, subjects = await _create_providers(directory, 3)
    await directory.put(f"practices/{practice}", {"name": "Lakeside Clinic"}, 1)
    events = await directory.published()
    for subject in (f"location/{location}", *subjects):
        last = _last(events, subject)
        entity = decode_entity(last)
        assert isinstance(entity, Location | ProviderLocation)
        assert (last.entityversion, entity.practice_name) == (2, "Lakeside Clinic")
        assert last.type.endswith(".updated")


async def test_new_spelling_and_practice_of_a_location_update_its_provider_locations(directory: Directory) -> None:
    _, location, subjects = await _create_providers(directory, 3)
    response = await directory.put(f"locations/{location}", {"address": RESPELLED}, 1)
    assert response.json()["version"] == 2
    events = await directory.published()
    for subject in subjects:
        entity = decode_entity(_last(events, subject))
        assert isinstance(entity, ProviderLocation)
        assert (entity.address.line1, entity.practice_id, entity.practice_name) == (RESPELLED["line1"], None, None)


async def test_changes_that_dependents_do_not_show_publish_one_event(directory: Directory) -> None:
    practice, location, _ = await _create_providers(directory, 2)
    before = len(await directory.published())
    await directory.put(f"practices/{practice}", {"name": "Lakeside Family Medicine", "phone": "312 555 0142"}, 1)
    address = {"address": CHICAGO, "practice_id": practice, "phone": "312 555 0143"}
    await directory.put(f"locations/{location}", address, 1)
    assert len(await directory.published()) == before + 2


async def test_deleting_a_provider_deletes_its_provider_locations(directory: Directory) -> None:
    _, _, (subject, other) = await _create_providers(directory, 2)
    await directory.delete(f"providers/{npi(1)}", 1)
    events = await directory.published()
    assert (_last(events, subject).is_deletion, _last(events, subject).entityversion) == (True, 2)
    assert not _last(events, other).is_deletion
    page = await directory.get(f"provider-locations?npi={npi(1)}")
    assert page["items"] == []


async def test_deleting_a_plan_removes_it_from_provider_locations(directory: Directory) -> None:
    for plan in PLANS:
        await directory.create("insurance-plans", id=plan, name=plan)
    created = await directory.create_provider_location()
    path = f"provider-locations/{created['id']}"
    years = {plan: [2027, 2026] for plan in PLANS}
    await directory.put(path, {**created, "accepted_plans": PLANS, "accepted_plan_years": years}, 1)
    await directory.delete(f"insurance-plans/{PLANS[0]}", 1)
    shown = await directory.get(path)
    assert (shown["accepted_plans"], shown["version"]) == ([PLANS[1]], 3)
    assert shown["accepted_plan_years"] == {PLANS[1]: [2026, 2027]}
    last = _last(await directory.published(), f"provider-location/{created['npi']}/{created['id']}")
    assert last.entityversion == 3


async def test_changing_a_location_ignores_deleted_provider_locations(directory: Directory) -> None:
    _, location, (first, second) = await _create_providers(directory, 2)
    await directory.delete(f"provider-locations/{first.rpartition('/')[2]}", 1)
    await directory.put(f"locations/{location}", {"address": RESPELLED}, 1)
    events = await directory.published()
    assert (_last(events, first).entityversion, _last(events, first).is_deletion) == (2, True)
    assert _last(events, second).entityversion == 2


async def test_dependents_are_published_in_chunks(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace_directory.feed.CHUNK_ROWS", 2)
    practice, _, subjects = await _create_providers(directory, 5)
    await directory.put(f"practices/{practice}", {"name": "Lakeside Clinic"}, 1)
    events = await directory.published()
    assert [_last(events, subject).entityversion for subject in subjects] == [2] * 5


async def test_provider_locations_created_during_a_change_get_the_new_spelling(directory: Directory) -> None:
    """The last event of each provider-location has the last state of the location, in any order of transactions."""
    created = await directory.create_provider_location()
    for number in range(2, 10):
        await directory.create_provider(number)
    location = f"locations/{created['location_id']}"
    practice = f"practices/{created['practice_id']}"

    async def respell(line1: str) -> None:
        address = {**CHICAGO, "line1": line1}
        headers = {"If-Match": "*"}
        await directory.http.patch(f"/v1/directory/{location}", json={"address": address}, headers=headers)
        await directory.http.patch(f"/v1/directory/{practice}", json={"name": f"Lakeside {line1}"}, headers=headers)

    at = {"location_id": created["location_id"], "taxonomy": FAMILY_MEDICINE}
    creations = [directory.create("provider-locations", npi=npi(number), **at) for number in range(2, 10)]
    await asyncio.gather(*creations[:4], respell(NORTH), *creations[4:], respell(DRIVE))
    final = await directory.get(location)
    events = await directory.published()
    subjects = {envelope.subject for envelope in events if envelope.entity == "provider-location"}
    assert len(subjects) == 9
    for subject in subjects:
        entity = decode_entity(_last(events, subject))
        assert isinstance(entity, ProviderLocation)
        assert (entity.address.line1, entity.practice_name) == (final["address"]["line1"], final["practice_name"])


async def test_events_of_a_key_are_in_version_order(directory: Directory) -> None:
    practice, _, _ = await _create_providers(directory, 3)
    for version in range(1, 6):
        await directory.put(f"practices/{practice}", {"name": f"Lakeside {version}"}, version)
    events = await directory.published()
    for subject in {envelope.subject for envelope in events}:
        versions = [envelope.entityversion for envelope in events if envelope.subject == subject]
        assert versions == list(range(1, len(versions) + 1))


async def test_a_timeout_of_a_dependent_rolls_back_the_change(database_url: str) -> None:
    async with running_directory(database_url, database_timeout=2.0) as directory:
        practice, _, _ = await _create_providers(directory, 1)
        async with directory.database.transaction():
            await directory.database.execute("SELECT FROM provider_location FOR UPDATE")
            response = await directory.put(f"practices/{practice}", {"name": "Lakeside Clinic"}, 1)
        assert response.status_code == 504
        assert (await directory.get(f"practices/{practice}"))["version"] == 1
