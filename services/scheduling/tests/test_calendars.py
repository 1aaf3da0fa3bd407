"""Calendars, managed by the staff of a practice."""

import asyncio
from typing import Any

import pytest

from .running import CALENDAR, PRACTICE, STAFF, UNKNOWN, Service, bearer

VISIT = CALENDAR["visit_types"][0]


async def test_put_creates_and_replacing_requires_the_etag(service: Service) -> None:
    path = f"/v1/calendars/{await service.add_provider_location()}"
    assert (await service.client.get(path, headers=STAFF)).status_code == 404
    first = await service.client.put(path, json=CALENDAR, headers=STAFF)
    assert (first.status_code, first.headers["ETag"]) == (201, '"1"')
    shown = await service.client.get(path, headers=STAFF)
    assert shown.json() == first.json()
    assert (shown.json()["time_zone"], shown.json()["local_time_zone"]) == (None, "America/New_York")
    changed = {**shown.json(), "grid_minutes": 15}
    assert (await service.client.put(path, json=changed, headers=STAFF)).status_code == 428
    assert (await service.client.put(path, json=changed, headers={**STAFF, "If-Match": '"9"'})).status_code == 412
    second = await service.client.put(path, json=changed, headers={**STAFF, "If-Match": '"1"'})
    assert (second.status_code, second.headers["ETag"], second.json()["grid_minutes"]) == (200, '"2"', 15)
    same = await service.client.put(path, json=changed, headers={**STAFF, "If-Match": '"2"'})
    assert same.headers["ETag"] == '"2"'
    known = await service.client.get(path, headers={**STAFF, "If-None-Match": '"2"'})
    assert known.status_code == 304


async def test_one_of_concurrent_changes_succeeds(service: Service) -> None:
    path = f"/v1/calendars/{await service.add_provider_location(calendar=CALENDAR)}"
    headers = {**STAFF, "If-Match": '"1"'}
    bodies = [{**CALENDAR, "grid_minutes": 5 * number} for number in range(1, 6)]
    responses = await asyncio.gather(*(service.client.put(path, json=body, headers=headers) for body in bodies))
    assert sorted(response.status_code for response in responses) == [200, *[412] * 4]


async def test_recreated_calendar_has_a_later_version(service: Service) -> None:
    path = f"/v1/calendars/{await service.add_provider_location(calendar=CALENDAR)}"
    assert (await service.client.delete(path, headers=STAFF)).status_code == 428
    assert (await service.client.delete(path, headers={**STAFF, "If-Match": '"1"'})).status_code == 204
    assert (await service.client.get(path, headers=STAFF)).status_code == 404
    again = await service.client.put(path, json=CALENDAR, headers=STAFF)
    assert (again.status_code, again.headers["ETag"]) == (201, '"3"')


@pytest.mark.parametrize(
    "headers", [bearer("patient", UNKNOWN), bearer("staff", UNKNOWN), bearer("staff"), bearer("support")]
)
async def test_calendar_is_not_found_for_other_callers(service: Service, headers: dict[str, str]) -> None:
    path = f"/v1/calendars/{await service.add_provider_location(calendar=CALENDAR)}"
    unknown = await service.client.get(f"/v1/calendars/{UNKNOWN}", headers=headers)
    for response in (
        await service.client.get(path, headers=headers),
        await service.client.put(path, json=CALENDAR, headers={**headers, "If-Match": '"1"'}),
        await service.client.delete(path, headers={**headers, "If-Match": '"1"'}),
    ):
        assert (response.status_code, response.json()["title"]) == (404, unknown.json()["title"])
    assert (await service.client.get(path)).status_code == 401


async def test_only_admins_manage_a_location_without_practice(service: Service) -> None:
    path = f"/v1/calendars/{await service.add_provider_location(practice=None, calendar=CALENDAR)}"
    assert (await service.client.get(path, headers=bearer("staff", PRACTICE))).status_code == 404
    assert (await service.client.get(path, headers=bearer("admin"))).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"time_zone": "America/Gotham"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
        ({"weekly_hours": [{"weekday": "monday", "opens": "17:00", "closes": "09:00"}]}, "weekly_hours[0]"),
        ({"weekly_hours": [{"weekday": "monday", "opens": "9:00", "closes": "17:00"}]}, "weekly_hours[0].opens"),
        ({"visit_types": []}, "visit_types"),
        (
            {"visit_types": [{"id": "a", "name": "A", "minutes": 30, "visit_reasons": ["nonsense"]}]},
            "visit_types[0].visit_reasons[0]",
        ),
        ({"blocks": [{"begins": "2026-12-24T12:00:00Z", "ends": "2026-12-24T13:00:00"}]}, "blocks[0].begins"),
        ({"horizon_days": 1000}, "horizon_days"),
        ({"visit_types": [{**VISIT, "name": "a\x00b"}]}, "visit_types[0].name"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_invalid_field_is_reported(service: Service, change: dict[str, Any], field: str) -> None:
    path = f"/v1/calendars/{await service.add_provider_location()}"
    response = await service.client.put(path, json={**CALENDAR, **change}, headers=STAFF)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert all(error["remedy"] for error in response.json()["errors"])
