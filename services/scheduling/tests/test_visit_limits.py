"""Limits of upcoming visits: with one provider and in all, on an account's first day and later."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from millrace_contracts.entities import Patient
from millrace_feeds.clock import rfc3339
from millrace_feeds.testing import wait_until
from millrace_platform.testing import ManualClock
from millrace_scheduling.patient.model import BookingPermissions
from millrace_scheduling.visit_limits import (
    PracticeLimits,
    TooManyVisitsError,
    UpcomingVisits,
    VisitLimits,
    VisitPolicy,
)

from .booking import Client, bookable_location, new_patient
from .running import ADMIN, CALENDAR, START, Service, running, settings_for

DAY = 86_400.0
NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
POLICY = VisitPolicy(usual=VisitLimits(3, 10), first_day=VisitLimits(1, 3))


def half_hours(day: int = 19) -> list[str]:
    """Return the starts of a day of the tests' calendar."""
    return [f"2026-11-{day}T{9 + index // 2:02}:{30 * (index % 2):02}:00-05:00" for index in range(16)]


async def registered(service: Service, *, days_ago: float, version: int = 1) -> Client:
    """Return a patient in the copy, whose account began so many days ago."""
    client = new_patient(service)
    began = rfc3339(service.clock.time() - days_ago * DAY)
    await service.add_patient(Patient(id=client.id, state="active", may_book=True, registered_at=began), version)
    return client


async def limit_reached(client: Client, location: str, start: str) -> tuple[str, int, str]:
    """Return the limit that refuses the hold, its number, and the detail."""
    response = await client.hold(location, start)
    problem = response.json()
    assert (response.status_code, problem["type"]) == (429, "urn:millrace:problem:too-many-requests"), response.text
    return problem["limit"], problem["allowed"], problem["detail"]


async def book_until_refused(client: Client, locations: list[str], starts: list[str]) -> tuple[int, str]:
    """Book each start at the next location; return the number of bookings, and the limit that refused the next."""
    for number, start in enumerate(starts):
        location = locations[number % len(locations)]
        held = await client.hold(location, start)
        if held.status_code == 429:
            return number, held.json()["limit"]
        booked = await client.post("/v1/appointments", {"hold_id": held.json()["id"]})
        assert booked.status_code == 201, booked.text
    raise AssertionError("no limit was reached")


async def test_account_has_three_upcoming_visits_with_one_provider_at_all_locations(service: Service) -> None:
    ada = await registered(service, days_ago=30)
    here, there = [await service.add_provider_location(npi="1999999990", calendar=CALENDAR) for _ in range(2)]
    assert await book_until_refused(ada, [here, there], half_hours()) == (3, "visits_per_provider")
    limit, allowed, detail = await limit_reached(ada, there, half_hours()[8])
    assert (limit, allowed, "3 upcoming visits with this provider" in detail) == ("visits_per_provider", 3, True)
    await ada.book(await bookable_location(service), half_hours()[8])


async def test_account_has_ten_upcoming_visits_in_all(service: Service) -> None:
    ada = await registered(service, days_ago=30)
    locations = [await bookable_location(service) for _ in range(5)]
    assert await book_until_refused(ada, locations, half_hours()) == (10, "visits")


async def test_account_has_one_visit_with_a_provider_and_three_in_all_on_its_first_day(service: Service) -> None:
    ada = await registered(service, days_ago=0.5)
    locations = [await bookable_location(service) for _ in range(4)]
    assert await book_until_refused(ada, locations[:1], half_hours()) == (1, "first_day_visits_per_provider")
    refused = await ada.hold(locations[0], half_hours()[1])
    assert int(refused.headers["Retry-After"]) == DAY / 2
    assert await book_until_refused(ada, locations[1:], half_hours()[1:]) == (2, "first_day_visits")
    service.clock.now += DAY / 2
    await ada.book(locations[0], half_hours(20)[1])


async def test_visits_of_dependants_count_as_those_of_the_account(service: Service) -> None:
    ada, location = new_patient(service), await bookable_location(service)
    children = tuple(str(UUID(int=number)) for number in range(1, 5))
    await service.add_patient(Patient(id=ada.id, state="active", may_book=True, dependant_ids=children))
    for child, start in zip(children[:3], half_hours(), strict=False):
        await ada.book(location, start, dependant_id=child)
    refused = await ada.hold(location, half_hours()[3], dependant_id=children[3])
    assert (refused.status_code, refused.json()["limit"]) == (429, "visits_per_provider")


async def test_cancelled_and_past_visits_do_not_count(service: Service) -> None:
    ada, location = await registered(service, days_ago=30), await bookable_location(service)
    visits = [await ada.book(location, start) for start in half_hours()[:3]]
    assert (await ada.act(visits[0], "cancel", {"reason": "other"})).status_code == 200
    await ada.book(location, half_hours()[3])
    await limit_reached(ada, location, half_hours()[4])
    service.clock.now += 2 * DAY
    assert await book_until_refused(ada, [location], half_hours(23)) == (3, "visits_per_provider")


async def test_concurrent_bookings_of_several_holds_do_not_exceed_the_limit(service: Service) -> None:
    ada, location = await registered(service, days_ago=0), await bookable_location(service)
    held = [await ada.hold(location, start) for start in half_hours()[:3]]
    bodies = [{"hold_id": each.json()["id"]} for each in held]
    responses = await asyncio.gather(*(ada.post("/v1/appointments", body) for body in bodies))
    assert sorted(each.status_code for each in responses) == [201, 429, 429]
    refused = next(each for each in responses if each.status_code == 429)
    assert refused.json()["limit"] == "first_day_visits_per_provider"


async def test_account_whose_event_has_not_arrived_has_the_limits_that_patients_knows(service: Service) -> None:
    ada, location = new_patient(service), await bookable_location(service)
    began = datetime.fromtimestamp(service.clock.time(), UTC)
    service.patients.permissions[UUID(ada.id)] = BookingPermissions(may_book=True, registered_at=began)
    await ada.book(location, half_hours()[0])
    hold = (await ada.hold(location, half_hours()[1])).json()["id"]
    refused = await ada.post("/v1/appointments", {"hold_id": hold})
    assert (refused.status_code, refused.json()["limit"]) == (429, "first_day_visits_per_provider")


async def test_replay_tells_when_an_account_began(service: Service) -> None:
    ada, location = new_patient(service), await bookable_location(service)
    entity = Patient(id=ada.id, state="active", may_book=True)
    await service.add_patient(entity)
    await ada.book(location, half_hours()[0])
    released = (await ada.hold(location, half_hours()[1])).json()["id"]
    await ada.delete(f"/v1/holds/{released}")
    began = rfc3339(service.clock.time())
    await service.add_patient(Patient(id=ada.id, state="active", may_book=True, registered_at=began))

    async def is_refused() -> bool:
        held = await ada.hold(location, half_hours()[1])
        if held.status_code == 201:
            await ada.delete(f"/v1/holds/{held.json()['id']}")
        return bool(held.status_code == 429)

    await wait_until(is_refused)


async def test_practice_lowers_and_raises_its_own_limits_within_the_platforms(service: Service) -> None:
    ada, new = await registered(service, days_ago=30), await registered(service, days_ago=0)
    strict = await bookable_location(service, visits_per_patient=1)
    generous = await bookable_location(service, visits_per_patient=5, first_day_visits_per_patient=2)
    assert await book_until_refused(ada, [strict], half_hours()) == (1, "visits_per_provider")
    assert await book_until_refused(ada, [generous], half_hours()[1:]) == (5, "visits_per_provider")
    assert await book_until_refused(new, [generous], half_hours(20)) == (2, "first_day_visits_per_provider")


@pytest.mark.parametrize(("field", "most"), [("visits_per_patient", 10), ("first_day_visits_per_patient", 3)])
async def test_practice_cannot_allow_more_than_the_platform(service: Service, field: str, most: int) -> None:
    location = await service.add_provider_location()
    url = f"/v1/calendars/{location}"
    refused = await service.client.put(url, json={**CALENDAR, field: most + 1}, headers=ADMIN)
    assert refused.status_code == 422
    assert [(each["field"], str(most) in each["remedy"]) for each in refused.json()["errors"]] == [(field, True)]
    stored = await service.client.put(url, json={**CALENDAR, field: most}, headers=ADMIN)
    assert (stored.status_code, stored.json()[field]) == (201, most)


async def test_waitlist_offers_nothing_to_an_account_at_its_limit(service: Service) -> None:
    ada, bob = await registered(service, days_ago=0), await registered(service, days_ago=0)
    other = new_patient(service)
    location = await bookable_location(
        service, weekly_hours=[{"weekday": "thursday", "opens": "09:00", "closes": "10:00"}]
    )
    await ada.book(location, half_hours()[0])
    taken = await other.book(location, half_hours()[1])
    wait: dict[str, Any] = {"provider_location_id": location, "from": "2026-11-19", "to": "2026-11-19"}
    assert [(await each.post("/v1/waitlist", wait)).status_code for each in (ada, bob)] == [201, 201]
    await other.act(taken, "cancel", {"reason": "other"})

    async def offered(client: Client) -> bool:
        (entry,) = (await client.get("/v1/waitlist")).json()["items"]
        return entry["offer"] is not None

    await wait_until(lambda: offered(bob))
    assert not await offered(ada)


async def test_limits_are_settings(postgres_dsn: str) -> None:
    settings = settings_for(postgres_dsn, scheduling_visits_per_provider=2, scheduling_visits=4)
    async with running(settings, ManualClock(START)) as service:
        ada = await registered(service, days_ago=30)
        locations = [await bookable_location(service) for _ in range(3)]
        assert await book_until_refused(ada, locations[:1], half_hours()) == (2, "visits_per_provider")
        assert await book_until_refused(ada, locations[1:], half_hours()[2:]) == (2, "visits")


@pytest.mark.parametrize(
    ("own", "age", "expected"),
    [
        (PracticeLimits(), None, (3, 10)),
        (PracticeLimits(), timedelta(hours=24), (3, 10)),
        (PracticeLimits(), timedelta(hours=23), (1, 3)),
        (PracticeLimits(usual=6), timedelta(hours=24), (6, 10)),
        (PracticeLimits(usual=6), timedelta(0), (1, 3)),
        (PracticeLimits(usual=99, first_day=99), timedelta(0), (3, 3)),
        (PracticeLimits(usual=1, first_day=3), timedelta(0), (1, 3)),
    ],
)
def test_limits_follow_from_the_practice_and_the_age_of_the_account(
    own: PracticeLimits, age: timedelta | None, expected: tuple[int, int]
) -> None:
    limits = POLICY.limits_for(own, None if age is None else NOW - age, NOW)
    assert (limits.with_provider, limits.in_all) == expected
    UpcomingVisits(expected[0] - 1, expected[1] - 1).require_below(limits)
    with pytest.raises(TooManyVisitsError):
        UpcomingVisits(0, expected[1]).require_below(limits)
