"""Openings as any client reads them. The clock is at Wednesday 2026-11-18, 06:06 in New York."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from .running import CALENDAR, START, Service

NOW = datetime.fromtimestamp(START, UTC)
TYPES: list[dict[str, Any]] = [
    {"id": "new", "name": "New patient", "minutes": 60, "patients": ["new"]},
    {"id": "known", "name": "Follow-up", "minutes": 30, "patients": ["existing"], "modes": ["in_person", "video"]},
    {"id": "skin", "name": "Skin check", "minutes": 90, "visit_reasons": ["skin-cancer-screening"], "buffer_after": 30},
]


async def get_availability(service: Service, *locations: str, **parameters: str) -> httpx.Response:
    first = {"from": "2026-11-18", "to": "2026-11-18"} if "from" not in parameters else {}
    return await service.client.get(
        "/v1/availability", params={"provider_location": list(locations), **first, **parameters}
    )


async def list_starts(service: Service, location: str, **parameters: str) -> list[str]:
    response = await get_availability(service, location, **parameters)
    assert response.status_code == 200, response.text
    return [opening["start"] for opening in response.json()["provider_locations"][0]["openings"]]


async def reserve(service: Service, location: str, start: str, minutes: int, *, after: int = 0, **values: Any) -> None:
    """Insert a reservation: an appointment by default, a hold with `kind` and `expires`."""
    begin = datetime.fromisoformat(start)
    until = begin + timedelta(minutes=minutes + after)
    row = {
        **{"id": uuid4(), "location": UUID(location), "patient": uuid4(), "start": begin, "until": until},
        **{"minutes": minutes, "kind": "appointment", "expires": None, "now": NOW},
        **values,
    }
    statement = """
        INSERT INTO reservations (id, provider_location_id, npi, patient_id, start, minutes, occupied, kind,
                                  expires_at, visit_type, mode, patient_kind, created_at)
        SELECT :id, id, npi, :patient, :start, :minutes, tstzrange(:start, :until), :kind, :expires, 'visit',
               'in_person', 'new', :now FROM provider_locations WHERE id = :location
    """
    async with service.database.transaction() as session:
        await session.execute(text(statement), row)


async def explain(service: Service, location: str, start: str, **parameters: str) -> list[str]:
    response = await service.client.get(
        "/v1/availability/explain", params={"provider_location": location, "start": start, **parameters}
    )
    assert response.status_code == 200, response.text
    codes = [reason["code"] for reason in response.json()["reasons"]]
    assert response.json()["offered"] == (not codes)
    return codes


async def test_openings_have_the_offset_and_time_zone_of_their_location(service: Service) -> None:
    east = await service.add_provider_location(calendar=CALENDAR)
    west = await service.add_provider_location(calendar=CALENDAR, time_zone="America/Phoenix")
    response = await get_availability(service, east, west)
    shown = response.json()["provider_locations"]
    assert [each["provider_location_id"] for each in shown] == [east, west]
    assert [each["time_zone"] for each in shown] == ["America/New_York", "America/Phoenix"]
    assert [len(each["openings"]) for each in shown] == [16, 16]
    assert shown[0]["openings"][0] == {
        "start": "2026-11-18T09:00:00-05:00",
        "minutes": 30,
        "modes": ["in_person"],
        "patients": ["existing", "new"],
        "visit_type": "visit",
        "other_visits": [],
    }
    assert shown[1]["openings"][-1]["start"] == "2026-11-18T16:30:00-07:00"
    assert response.headers["Cache-Control"] == "no-store"


async def test_reserved_time_isnt_offered_at_any_location_of_the_provider(service: Service) -> None:
    location = await service.add_provider_location(npi="1234567893", calendar=CALENDAR)
    other = await service.add_provider_location(npi="1234567893", calendar=CALENDAR)
    await reserve(service, location, "2026-11-18T09:00:00-05:00", 30)
    await reserve(service, location, "2026-11-18T10:00:00-05:00", 30, after=10)
    await reserve(service, location, "2026-11-18T11:00:00-05:00", 30, kind="hold", expires=NOW + timedelta(minutes=5))
    await reserve(service, location, "2026-11-18T12:00:00-05:00", 30, kind="hold", expires=NOW)
    gone = {f"2026-11-18T{time}:00-05:00" for time in ("09:00", "10:00", "10:30", "11:00")}
    for each in (location, other):
        found = await list_starts(service, each)
        assert len(found) == 12
        assert gone.isdisjoint(found)
    assert await explain(service, location, "2026-11-18T09:00:00-05:00") == ["booked"]
    assert await explain(service, location, "2026-11-18T10:30:00-05:00") == ["buffer"]
    assert await explain(service, location, "2026-11-18T11:00:00-05:00") == ["held"]
    assert await explain(service, location, "2026-11-18T12:00:00-05:00") == []


async def test_openings_depend_on_visit_types(service: Service) -> None:
    location = await service.add_provider_location(calendar={**CALENDAR, "visit_types": TYPES})
    await reserve(service, location, "2026-11-18T10:00:00-05:00", 30)
    new = await list_starts(service, location, patient="new", visit_reason="acne")
    assert "2026-11-18T09:00:00-05:00" in new
    assert {"2026-11-18T09:30:00-05:00", "2026-11-18T16:30:00-05:00"}.isdisjoint(new)
    assert await list_starts(service, location, patient="new", mode="video") == []
    assert "2026-11-18T09:30:00-05:00" in await list_starts(service, location, patient="existing", mode="video")
    in_person = {"visit_reason": "skin-cancer-screening", "mode": "in_person"}
    skin = await list_starts(service, location, **in_person)
    assert skin[0] == "2026-11-18T10:30:00-05:00"
    assert skin[-1] == "2026-11-18T15:30:00-05:00"
    assert await explain(service, location, "2026-11-18T16:00:00-05:00", **in_person) == ["too_short"]
    assert await explain(service, location, "2026-11-18T09:00:00-05:00", patient="new", mode="video") == [
        "wrong_visit_type"
    ]


async def test_openings_respect_hours_blocks_holidays_notice_and_horizon(service: Service) -> None:
    calendar = {
        **CALENDAR,
        "minimum_notice": 240,
        "horizon_days": 9,
        "federal_holidays": True,
        "blocks": [{"begins": "2026-11-18T12:00", "ends": "2026-11-18T13:15"}],
        "extra_hours": [{"day": "2026-11-21", "opens": "10:10", "closes": "11:10"}],
    }
    location = await service.add_provider_location(calendar=calendar)
    found = await list_starts(service, location, to="2026-12-01")
    assert found[:4] == [f"2026-11-18T{time}:00-05:00" for time in ("10:30", "11:00", "11:30", "13:30")]
    assert [each for each in found if "11-21" in each] == [f"2026-11-21T10:{m}:00-05:00" for m in (10, 40)]
    assert not [each for each in found if "11-26" in each]
    assert found[-1] == "2026-11-25T16:30:00-05:00"
    for start, reason in {
        "2026-11-18T05:00:00-05:00": ["past", "outside_hours"],
        "2026-11-18T10:00:00-05:00": ["notice"],
        "2026-11-18T11:45:00-05:00": ["off_grid", "too_short"],
        "2026-11-18T12:30:00-05:00": ["blocked"],
        "2026-11-18T18:00:00-05:00": ["outside_hours"],
        "2026-11-26T10:00:00-05:00": ["holiday"],
        "2026-11-27T10:00:00-05:00": ["horizon"],
    }.items():
        assert await explain(service, location, start) == reason, start


async def test_changed_calendar_keeps_bookings(service: Service) -> None:
    location = await service.add_provider_location(calendar=CALENDAR)
    await reserve(service, location, "2026-11-18T09:30:00-05:00", 30)
    headers = {"Authorization": "Bearer admin:", "If-Match": '"1"'}
    longer = {**CALENDAR, "visit_types": [{"id": "visit", "name": "Visit", "minutes": 60}]}
    await service.client.put(f"/v1/calendars/{location}", json=longer, headers=headers)
    found = await list_starts(service, location)
    assert found[0] == "2026-11-18T10:00:00-05:00"
    assert found[-1] == "2026-11-18T16:00:00-05:00"


async def test_location_without_calendar_isnt_bookable(service: Service) -> None:
    empty, unknown = await service.add_provider_location(), str(uuid4())
    shown = (await get_availability(service, empty, unknown)).json()["provider_locations"]
    assert [(each["bookable"], each["openings"]) for each in shown] == [(False, []), (False, [])]
    assert await explain(service, empty, "2026-11-18T09:00:00-05:00") == ["no_calendar"]
    explained = await service.client.get(
        "/v1/availability/explain", params={"provider_location": unknown, "start": "2026-11-18T09:00:00-05:00"}
    )
    assert explained.status_code == 404


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"to": "2026-12-19"}, "to"),
        ({"to": "2026-11-17"}, "to"),
        ({"from": "0001-01-01"}, "from"),
        ({"to": "9999-12-31"}, "to"),
        ({"from": "9999-12-31"}, "from"),
        ({"visit_reason": "skin-cancer"}, "visit_reason"),
        ({"mode": "fax"}, "mode"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_invalid_parameter_is_reported(service: Service, parameters: dict[str, str], field: str) -> None:
    response = await get_availability(service, str(uuid4()), **parameters)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


@pytest.mark.parametrize("start", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-11-18T09:00:00"])
async def test_explain_refuses_invalid_start(service: Service, start: str) -> None:
    location = await service.add_provider_location(calendar=CALENDAR)
    response = await service.client.get(
        "/v1/availability/explain", params={"provider_location": location, "start": start}
    )
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["start"]


async def test_at_most_fifty_locations_per_request(service: Service) -> None:
    assert (await get_availability(service, *(str(uuid4()) for _ in range(50)))).status_code == 200
    assert (await get_availability(service, *(str(uuid4()) for _ in range(51)))).status_code == 422
