"""What a change of one entity means to others, as the feed tells it."""

import asyncio
from collections.abc import Sequence

import pytest

from millrace_contracts.entities import Location, ProviderLocation
from millrace_contracts.envelope import Envelope
from millrace_contracts.registry import entity_of

from .running import CHICAGO, FAMILY_MEDICINE, OAKLAND, Directory, npi, running_directory

PLANS = ("12345IL0010001", "12345IL0010002")


async def _crowd(directory: Directory, size: int) -> tuple[str, str, list[str]]:
    """Providers at one location of a practice: its id, the location's, the subjects of the provider-locations."""
    first = await directory.place(number=1)
    subjects = [f"provider-location/{first['npi']}/{first['id']}"]
    for number in range(2, size + 1):
        await directory.create_provider(number)
        place = await directory.create(
            "provider-locations", npi=npi(number), location_id=first["location_id"], taxonomy=FAMILY_MEDICINE
        )
        subjects.append(f"provider-location/{place['npi']}/{place['id']}")
    return first["practice_id"], first["location_id"], subjects


def _last(envelopes: Sequence[Envelope], subject: str) -> Envelope:
    return [envelope for envelope in envelopes if envelope.subject == subject][-1]


async def test_a_new_practice_name_reaches_locations_and_provider_locations(directory: Directory) -> None:
    practice, location, subjects = await _crowd(directory, 3)
    await directory.put(f"practices/{practice}", {"name": "Lakeside Clinic"}, 1)
    told = await directory.told()
    for subject in (f"location/{location}", *subjects):
        last = _last(told, subject)
        entity = entity_of(last)
        assert isinstance(entity, Location | ProviderLocation)
        assert (last.entityversion, entity.practice_name) == (2, "Lakeside Clinic")
        assert last.type.endswith(".updated")


async def test_a_moved_location_takes_its_provider_locations_along(directory: Directory) -> None:
    _, location, subjects = await _crowd(directory, 3)
    answer = await directory.put(f"locations/{location}", {"address": OAKLAND}, 1)
    assert answer.json()["version"] == 2
    told = await directory.told()
    for subject in subjects:
        entity = entity_of(_last(told, subject))
        assert isinstance(entity, ProviderLocation)
        assert (entity.address.city, entity.practice_id, entity.practice_name) == ("Oakland", None, None)


async def test_what_nobody_carries_moves_nobody(directory: Directory) -> None:
    practice, location, _ = await _crowd(directory, 2)
    before = len(await directory.told())
    await directory.put(f"practices/{practice}", {"name": "Lakeside Family Medicine", "phone": "312 555 0142"}, 1)
    address = {"address": CHICAGO, "practice_id": practice, "phone": "312 555 0143"}
    await directory.put(f"locations/{location}", address, 1)
    assert len(await directory.told()) == before + 2


async def test_a_provider_who_leaves_leaves_all_places(directory: Directory) -> None:
    _, _, (subject, other) = await _crowd(directory, 2)
    await directory.delete(f"providers/{npi(1)}", 1)
    told = await directory.told()
    assert (_last(told, subject).deleted, _last(told, subject).entityversion) == (True, 2)
    assert not _last(told, other).deleted
    page = await directory.get(f"provider-locations?npi={npi(1)}")
    assert page["items"] == []


async def test_a_withdrawn_plan_is_taken_from_those_who_accept_it(directory: Directory) -> None:
    for plan in PLANS:
        await directory.create("insurance-plans", id=plan, name=plan)
    place = await directory.place()
    path = f"provider-locations/{place['id']}"
    await directory.put(path, {**place, "accepted_plans": PLANS}, 1)
    await directory.delete(f"insurance-plans/{PLANS[0]}", 1)
    shown = await directory.get(path)
    assert (shown["accepted_plans"], shown["version"]) == ([PLANS[1]], 3)
    last = _last(await directory.told(), f"provider-location/{place['npi']}/{place['id']}")
    assert last.entityversion == 3


async def test_a_deleted_provider_location_stays_out_of_it(directory: Directory) -> None:
    _, location, (first, second) = await _crowd(directory, 2)
    await directory.delete(f"provider-locations/{first.rpartition('/')[2]}", 1)
    await directory.put(f"locations/{location}", {"address": OAKLAND}, 1)
    told = await directory.told()
    assert (_last(told, first).entityversion, _last(told, first).deleted) == (2, True)
    assert _last(told, second).entityversion == 2


async def test_more_than_one_chunk_follows(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace_directory.feed.CHUNK", 2)
    practice, _, subjects = await _crowd(directory, 5)
    await directory.put(f"practices/{practice}", {"name": "Lakeside Clinic"}, 1)
    told = await directory.told()
    assert [_last(told, subject).entityversion for subject in subjects] == [2] * 5


async def test_who_arrives_while_the_place_moves_is_told_the_new_address(directory: Directory) -> None:
    """Whichever transaction comes first, the last word about each provider-location is the location's last state."""
    place = await directory.place()
    for number in range(2, 10):
        await directory.create_provider(number)
    location = f"locations/{place['location_id']}"
    practice = f"practices/{place['practice_id']}"

    async def move(version: int, city: str) -> None:
        address = {**CHICAGO, "city": city}
        headers = {"If-Match": "*"}
        await directory.http.patch(f"/v1/directory/{location}", json={"address": address}, headers=headers)
        await directory.http.patch(f"/v1/directory/{practice}", json={"name": f"Lakeside {city}"}, headers=headers)

    async def arrive(number: int) -> None:
        await directory.create(
            "provider-locations", npi=npi(number), location_id=place["location_id"], taxonomy=FAMILY_MEDICINE
        )

    await asyncio.gather(
        *(arrive(number) for number in range(2, 6)),
        move(1, "Evanston"),
        *(arrive(number) for number in range(6, 10)),
        move(2, "Cicero"),
    )
    final = await directory.get(location)
    told = await directory.told()
    subjects = {envelope.subject for envelope in told if envelope.entity == "provider-location"}
    assert len(subjects) == 9
    for subject in subjects:
        entity = entity_of(_last(told, subject))
        assert isinstance(entity, ProviderLocation)
        assert (entity.address.city, entity.practice_name) == (final["address"]["city"], final["practice_name"])


async def test_each_key_is_told_in_the_order_of_its_versions(directory: Directory) -> None:
    practice, _, _ = await _crowd(directory, 3)
    for version in range(1, 6):
        await directory.put(f"practices/{practice}", {"name": f"Lakeside {version}"}, version)
    told = await directory.told()
    for subject in {envelope.subject for envelope in told}:
        versions = [envelope.entityversion for envelope in told if envelope.subject == subject]
        assert versions == list(range(1, len(versions) + 1))


async def test_a_fan_out_that_must_wait_too_long_changes_nothing(database_url: str) -> None:
    async with running_directory(database_url, database_timeout=2.0) as directory:
        practice, _, _ = await _crowd(directory, 1)
        async with directory.database.transaction():
            await directory.database.execute("SELECT FROM provider_location FOR UPDATE")
            answer = await directory.put(f"practices/{practice}", {"name": "Lakeside Clinic"}, 1)
        assert answer.status_code == 504
        assert (await directory.get(f"practices/{practice}"))["version"] == 1
