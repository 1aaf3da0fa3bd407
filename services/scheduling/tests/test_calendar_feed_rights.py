"""A staff feed is read by the current roles of its creator; the practice's staff and administrators revoke it."""

from typing import TypeAlias
from uuid import UUID, uuid4, uuid5

import pytest

from millrace_contracts.entities import Account, AccountRole
from millrace_contracts.registry import ACCOUNT, PROVIDER_LOCATION
from millrace_feeds.testing import wait_until
from millrace_platform.unit_of_work import Event
from millrace_scheduling.calendar_feed.model import CONFIRMATION

from .booking import Client, new_patient, staff_client
from .running import ADMIN, CALENDAR, NAMESPACE, PRACTICE, UNKNOWN, Service, bearer, provider_location

FEEDS = "/v1/appointments/feeds"
STAFF_ID = uuid5(NAMESPACE, f"staff:{PRACTICE}")
COLLEAGUE = f"{PRACTICE},{UNKNOWN}"
"""Practices of another member of staff, who works for both."""
Rights: TypeAlias = tuple[tuple[AccountRole, ...], tuple[str, ...]]


async def create_feed(client: Client, **body: str) -> tuple[str, str]:
    made = await client.post(FEEDS, body)
    assert made.status_code == 201, made.text
    return made.json()["feed"]["id"], made.json()["path"]


async def publish_account(service: Service, version: int, *roles: AccountRole, practices: tuple[str, ...] = ()) -> None:
    """Publish the creator's roles; an erased account has none."""
    account = Account(
        id=str(STAFF_ID),
        state="active" if roles else "erased",
        roles=roles,
        practice_ids=practices,
    )
    await service.publish(Event.of_entity(ACCOUNT, account, action="updated", version=version))


async def status_becomes(service: Service, path: str, expected: int) -> None:
    async def is_expected() -> bool:
        return (await service.client.get(path)).status_code == expected

    await wait_until(is_expected)


async def count_consumed(service: Service) -> int:
    status = (await service.client.get("/internal/scheduling/status")).json()["consumer"]
    return int(status["handled"])


@pytest.mark.parametrize("target", ["provider_location_id", "npi"])
async def test_feed_is_read_while_its_creator_has_a_role(service: Service, target: str) -> None:
    location = await service.add_provider_location(npi="1888888888", calendar=CALENDAR)
    body = {target: location if target == "provider_location_id" else "1888888888"}
    _, path = await create_feed(staff_client(service), **body)
    assert (await service.client.get(path)).status_code == 200
    lost: list[Rights] = [(("patient",), ()), (("staff",), (UNKNOWN,)), (("support", "admin"), ())]
    held: list[Rights] = [
        (("staff",), (UNKNOWN, PRACTICE)),
        (("staff", "support"), (PRACTICE,)),
        (("staff",), (PRACTICE,)),
    ]
    version = 0
    for without, having in zip(lost, held, strict=True):
        for (roles, practices), expected in ((without, 404), (having, 200)):
            version += 1
            await publish_account(service, version, *roles, practices=practices)
            await status_becomes(service, path, expected)


async def test_administrators_have_no_feeds_of_others_visits(service: Service) -> None:
    location = await service.add_provider_location(npi="1888888888", calendar=CALENDAR)
    admin = Client(service, {**ADMIN, "Purpose-Of-Use": "HOPERAT"})
    for body in ({"provider_location_id": location}, {"npi": "1888888888"}):
        assert (await admin.post(FEEDS, body)).status_code == 404


async def test_late_event_returns_no_role(service: Service) -> None:
    location = await service.add_provider_location(calendar=CALENDAR)
    _, path = await create_feed(staff_client(service), provider_location_id=location)
    await publish_account(service, 2, "patient")
    await status_becomes(service, path, 404)
    before = await count_consumed(service)
    await publish_account(service, 1, "staff", practices=(PRACTICE,))

    async def is_consumed() -> bool:
        return await count_consumed(service) > before

    await wait_until(is_consumed)
    assert (await service.client.get(path)).status_code == 404


async def test_feed_follows_its_location_to_another_practice(service: Service) -> None:
    location = await service.add_provider_location(npi="1888888888", calendar=CALENDAR)
    await publish_account(service, 1, "staff", practices=(PRACTICE,))
    _, path = await create_feed(staff_client(service), provider_location_id=location)
    assert (await service.client.get(path)).status_code == 200
    moved = provider_location(location, "1888888888", UNKNOWN)
    await service.publish(Event.of_entity(PROVIDER_LOCATION, moved, action="updated", version=2))
    await status_becomes(service, path, 404)


async def test_feeds_of_an_erased_creator_are_deleted(service: Service) -> None:
    location = await service.add_provider_location(calendar=CALENDAR)
    staff = staff_client(service)
    _, path = await create_feed(staff, provider_location_id=location)
    await publish_account(service, 1)
    await status_becomes(service, path, 404)
    assert (await staff.get(FEEDS)).json()["items"] == []


async def test_feed_without_an_event_of_its_creator_needs_confirmation(service: Service) -> None:
    location = await service.add_provider_location(calendar=CALENDAR)
    staff = staff_client(service)
    _, path = await create_feed(staff, provider_location_id=location)
    _, of_patient = await create_feed(new_patient(service))
    service.clock.now += CONFIRMATION.total_seconds() - 1
    assert (await service.client.get(path)).status_code == 200
    service.clock.now += 1
    assert (await service.client.get(path)).status_code == 404
    assert (await service.client.get(of_patient)).status_code == 200
    assert len((await staff.get(FEEDS)).json()["items"]) == 1
    assert (await service.client.get(path)).status_code == 200


async def test_practice_lists_and_revokes_the_feeds_of_its_staff(service: Service) -> None:
    here = await service.add_provider_location(npi="1888888888", calendar=CALENDAR)
    elsewhere = await service.add_provider_location(npi="1777777777", practice=UNKNOWN, calendar=CALENDAR)
    colleague, stranger = Client(service, bearer("staff", COLLEAGUE)), Client(service, bearer("staff", UNKNOWN))
    admin, patient = Client(service, ADMIN), new_patient(service)
    made = [
        await create_feed(staff_client(service), provider_location_id=here),
        await create_feed(colleague, npi="1888888888"),
        await create_feed(staff_client(service), npi="1888888888"),
    ]
    await create_feed(stranger, provider_location_id=elsewhere)
    of_patient, _ = await create_feed(patient)

    for caller in (staff_client(service), colleague, admin):
        listed = (await caller.get(f"{FEEDS}?practice_id={PRACTICE}")).json()["items"]
        assert [each["id"] for each in listed] == [identifier for identifier, _ in made]
        assert listed[0]["created_by"] == str(STAFF_ID)
    for caller in (stranger, patient, Client(service, bearer("support"))):
        assert (await caller.get(f"{FEEDS}?practice_id={PRACTICE}")).status_code == 404
        for identifier, _ in made:
            assert (await caller.delete(f"{FEEDS}/{identifier}")).status_code == 404
    assert (await admin.get(f"{FEEDS}?practice_id={uuid4()}")).status_code == 404

    for caller, (identifier, path) in zip((colleague, admin, staff_client(service)), made, strict=True):
        assert (await caller.delete(f"{FEEDS}/{identifier}")).status_code == 204
        assert (await service.client.get(path)).status_code == 404
    for caller in (admin, colleague):
        assert (await caller.delete(f"{FEEDS}/{of_patient}")).status_code == 404


async def test_feeds_of_a_practice_are_listed_in_pages(service: Service) -> None:
    location = await service.add_provider_location(calendar=CALENDAR)
    staff = staff_client(service)
    made = [(await create_feed(staff, provider_location_id=location))[0] for _ in range(3)]
    path = f"{FEEDS}?practice_id={PRACTICE}&limit=2"
    first = (await staff.get(path)).json()
    second = (await staff.get(f"{path}&cursor={first['next']}")).json()
    assert [each["id"] for each in [*first["items"], *second["items"]]] == made
    assert second["next"] is None
    forged = await staff.get(f"{FEEDS}?practice_id={UUID(int=0)}&cursor={first['next']}")
    assert forged.status_code in (404, 422)
