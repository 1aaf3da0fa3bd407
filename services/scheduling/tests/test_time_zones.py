"""One time zone: everything at a provider-location is shown in that of its calendar, which may follow its location."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from millrace_contracts.envelope import Envelope
from millrace_contracts.registry import APPOINTMENT, AVAILABILITY, PROVIDER_LOCATION
from millrace_feeds.testing import wait_until
from millrace_platform.unit_of_work import Event
from millrace_scheduling.provider_location.repository import provider_locations

from .booking import NINE, Client, bookable_location, free_starts, new_patient
from .running import ADMIN, CALENDAR, Service, provider_location

NPI = "1234567893"
DENVER = "America/Denver"
OPENS_IN_DENVER = "2026-11-19T09:00:00-07:00"
NINE_IN_DENVER = "2026-11-19T07:00:00-07:00"
"""`NINE`, which is nine in New York, on the clocks in Denver."""


async def move_location(service: Service, location: str, time_zone: str, version: int = 2) -> None:
    """Publish the provider-location in another time zone, and wait until that is stored."""
    entity = provider_location(location, NPI, time_zone=time_zone)
    await service.publish(Event.of_entity(PROVIDER_LOCATION, entity, action="updated", version=version))

    async def has_moved() -> bool:
        shown = await service.client.get("/v1/availability", params={"provider_location": location})
        return bool(shown.json()["provider_locations"][0]["time_zone"] == time_zone)

    await wait_until(has_moved)


async def shown_times(client: Client, path: str) -> tuple[str, str]:
    shown = (await client.get(path)).json()
    return shown["start"], shown["time_zone"]


async def calendar_document(client: Client, appointment: dict[str, Any]) -> str:
    return (await client.get(f"/v1/appointments/{appointment['id']}/calendar.ics")).text


def published(service: Service, entity: str) -> list[Envelope]:
    return list(service.latest(entity).values())


async def test_calendar_with_its_own_time_zone_is_the_source_of_all_times(service: Service) -> None:
    location, ada = await bookable_location(service, time_zone=DENVER), new_patient(service)
    assert (await free_starts(service, location))[0] == OPENS_IN_DENVER
    held = await ada.hold(location, OPENS_IN_DENVER)
    assert (held.json()["start"], held.json()["time_zone"]) == (OPENS_IN_DENVER, DENVER)
    assert (await ada.get(held.headers["Location"])).json() == held.json()
    booked = await ada.post("/v1/appointments", {"hold_id": held.json()["id"]})
    assert (booked.json()["start"], booked.json()["time_zone"]) == (OPENS_IN_DENVER, DENVER)
    assert (await ada.get(booked.headers["Location"])).json() == booked.json()
    assert f"DTSTART;TZID={DENVER}:20261119T090000" in await calendar_document(ada, booked.json())
    await wait_until(lambda: bool(published(service, APPOINTMENT.name)) and bool(published(service, AVAILABILITY.name)))
    for entity in (APPOINTMENT.name, AVAILABILITY.name):
        assert {f'"time_zone":"{DENVER}"' in bytes(each.data).decode() for each in published(service, entity)} == {True}


async def test_calendar_follows_its_location_to_another_time_zone(service: Service) -> None:
    location, ada = await service.add_provider_location(npi=NPI, calendar=CALENDAR), new_patient(service)
    path = f"/v1/calendars/{location}"
    before = (await service.client.get(path, headers=ADMIN)).json()
    assert (before["time_zone"], before["local_time_zone"]) == (None, "America/New_York")
    held, appointment = await ada.hold(location), await ada.book(location, "2026-11-20T09:00:00-05:00")
    await move_location(service, location, DENVER)
    after = (await service.client.get(path, headers=ADMIN)).json()
    assert (after["time_zone"], after["local_time_zone"], after["version"]) == (None, DENVER, 2)
    assert (await free_starts(service, location))[0] == OPENS_IN_DENVER
    # The moments of what is held and booked stay as they are.
    assert await shown_times(ada, held.headers["Location"]) == (NINE_IN_DENVER, DENVER)
    moved = "2026-11-20T07:00:00-07:00", DENVER
    assert await shown_times(ada, f"/v1/appointments/{appointment['id']}") == moved
    assert f"DTSTART;TZID={DENVER}:20261120T070000" in await calendar_document(ada, appointment)

    def is_published() -> bool:
        openings = [bytes(each.data).decode() for each in published(service, AVAILABILITY.name)]
        (latest,) = published(service, APPOINTMENT.name)
        return (
            latest.entityversion == 2
            and f'"start":"{moved[0]}"' in bytes(latest.data).decode()
            and any(OPENS_IN_DENVER in each for each in openings)
            and not any("-05:00" in each for each in openings)
        )

    await wait_until(is_published)


async def test_calendar_with_its_own_time_zone_stays_when_its_location_moves(service: Service) -> None:
    calendar = {**CALENDAR, "time_zone": "America/New_York"}
    location, ada = await service.add_provider_location(npi=NPI, calendar=calendar), new_patient(service)
    appointment = await ada.book(location)
    entity = provider_location(location, NPI, practice=None, time_zone=DENVER)
    await service.publish(Event.of_entity(PROVIDER_LOCATION, entity, action="updated", version=2))

    async def is_stored() -> bool:
        listed = await service.client.get(f"/v1/appointments/{appointment['id']}", headers=ada.headers)
        return listed.status_code == 200 and await has_no_practice(service, location)

    await wait_until(is_stored)
    shown = (await service.client.get(f"/v1/calendars/{location}", headers=ADMIN)).json()
    assert (shown["time_zone"], shown["local_time_zone"], shown["version"]) == (*["America/New_York"] * 2, 1)
    assert (await ada.get(f"/v1/appointments/{appointment['id']}")).json() == appointment
    assert (await free_starts(service, location))[0] == "2026-11-19T09:30:00-05:00"


async def has_no_practice(service: Service, location: str) -> bool:
    """Return whether the update of the provider-location that takes it from its practice is stored."""
    query = select(provider_locations.c.practice_id).where(provider_locations.c.id == UUID(location))
    async with service.database.read() as session:
        return await session.scalar(query) is None


@pytest.mark.parametrize("change", ["replaced", "deleted"])
async def test_appointments_are_published_again_when_the_calendar_changes_its_time_zone(
    service: Service, change: str
) -> None:
    location, ada = await bookable_location(service, time_zone=DENVER), new_patient(service)
    appointment = await ada.book(location, OPENS_IN_DENVER)
    path, headers = f"/v1/calendars/{location}", {**ADMIN, "If-Match": '"1"'}
    if change == "replaced":
        assert (await service.client.put(path, json=CALENDAR, headers=headers)).status_code == 200
    else:
        assert (await service.client.delete(path, headers=headers)).status_code == 204
    shown = await ada.get(f"/v1/appointments/{appointment['id']}")
    assert (shown.json()["start"], shown.headers["ETag"]) == ("2026-11-19T11:00:00-05:00", '"2"')
    await wait_until(lambda: published(service, APPOINTMENT.name)[0].entityversion == 2)


async def test_calendar_that_is_sent_back_still_follows_its_location(service: Service) -> None:
    location = await service.add_provider_location(npi=NPI, calendar=CALENDAR)
    path = f"/v1/calendars/{location}"
    shown = (await service.client.get(path, headers=ADMIN)).json()
    changed = {**shown, "grid_minutes": 15}
    assert (await service.client.put(path, json=changed, headers={**ADMIN, "If-Match": '"1"'})).status_code == 200
    await move_location(service, location, DENVER)
    assert (await free_starts(service, location))[0] == OPENS_IN_DENVER


async def test_waitlist_shows_offers_in_the_time_zone_of_the_calendar(service: Service) -> None:
    hours = [{"weekday": "thursday", "opens": "07:00", "closes": "07:30"}]
    location = await bookable_location(service, time_zone=DENVER, weekly_hours=hours)
    ada, bob = new_patient(service), new_patient(service)
    held = await ada.hold(location, NINE)
    body = {"provider_location_id": location, "from": "2026-11-19", "to": "2026-11-19"}
    assert (await bob.post("/v1/waitlist", body)).status_code == 201
    await ada.delete(held.headers["Location"])

    async def has_offer() -> bool:
        (entry,) = (await bob.get("/v1/waitlist")).json()["items"]
        return bool(entry["offer"])

    await wait_until(has_offer)
    (entry,) = (await bob.get("/v1/waitlist")).json()["items"]
    assert (entry["offer"]["start"], entry["offer"]["time_zone"]) == (NINE_IN_DENVER, DENVER)
